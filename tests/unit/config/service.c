/* service.c - the file of the service token: what it holds, who may see it,
 * and that changes are noticed. */
#include "config/config.h"
#include "dir.h"
#include "tap.h"

static struct dir       d;
static char             path[128];
static struct ae_conf   conf;
static ae_heap          heap;
static struct ae_inputs in;
static ae_inputs_src   *src;
static struct ae_err    err;

static int load(void)
{
    ae_heap_free(&heap);
    ae_inputs_src_free(src);
    src = NULL;
    memset(&err, 0, sizeof(err));
    return ae_inputs_load(ae_cs(d.path), &conf, &heap, &in, &src, &err);
}

static bool says(const char *what)
{
    return strstr(err.text, what) && strcmp(err.file, path) == 0;
}

int main(void)
{
    dir_make(&d);
    snprintf(path, sizeof(path), "%s/own/token", d.path);
    dir_put(&d, "argocd-rbac-cm/policy.csv", "");
    ae_conf_init(&conf);
    conf.serving = true;
    tap_ok(load() == AE_OK && !in.service_token.p, "none is configured");
    conf.service_token_file = ae_cs(path);
    tap_ok(load() == AE_E_NOTFOUND && says("does not exist"),
           "it must be there");
    dir_put(&d, "own/token", " ab.cd.ef \n");
    tap_ok(load() == AE_OK && ae_eq_lit(in.service_token, "ab.cd.ef"),
           "blanks around it do not count");
    tap_ok(!ae_inputs_changed(src), "nothing has changed");
    dir_put(&d, "own/token", "gh.ij.kl.mn\n");
    tap_ok(ae_inputs_changed(src), "a new one is noticed");
    dir_put(&d, "own/token", "two words\n");
    tap_ok(load() == AE_E_SYNTAX && says("one token"), "it is one word");
    dir_put(&d, "own/token", "\n");
    tap_ok(load() == AE_E_SYNTAX && says("one token"), "and not none");
    dir_put(&d, "own/token", "ab.cd.ef");
    dir_mode(&d, "own/token", 0644);
    tap_ok(load() == AE_E_IO && says("readable by everybody"),
           "R33: a server refuses what all may read");
    dir_mode(&d, "own/token", 0602);
    tap_ok(load() == AE_E_IO && says("writable"), "and what others may write");
    dir_mode(&d, "own/token", 0640);
    tap_ok(load() == AE_OK, "0640 is fine");
    ae_heap_free(&heap);
    ae_inputs_src_free(src);
    dir_remove(&d);
    return tap_done();
}
