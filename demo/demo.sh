#!/bin/sh
# demo.sh [walk|up] - an Argo CD look-alike with argo-edge in front, in nginx or
# in Apache httpd (SERVER=httpd).
# `walk` shows the main job step by step; `up` leaves it running.
set -eu

mode=${1:-walk}
top=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$top/build}
port=${DEMO_PORT:-18080}
backend=$((port + 1))
dir=$(mktemp -d "${TMPDIR:-/tmp}/argo-edge-demo.XXXXXX")
edge=http://127.0.0.1:$port
server=${SERVER:-nginx}
cli=$build/argo-edge
backend_pid=
napps=${DEMO_APPS:-400}

fail() {
    printf '\nThe demo failed: %s\n' "$1" >&2
    [ -s "$dir/error.log" ] && { echo "$server says:" >&2
        tail -n 5 "$dir/error.log" >&2; }
    [ -s "$dir/backend.log" ] && { echo "the backend says:" >&2
        tail -n 5 "$dir/backend.log" >&2; }
    printf 'What to do: %s\n' "${2:-look into $dir, which is kept}" >&2
    keep=1
    exit 1
}

stop() {
    [ -f "$dir/server.pid" ] && kill "$(cat "$dir/server.pid")" 2>/dev/null
    [ -n "$backend_pid" ] && kill "$backend_pid" 2>/dev/null
    [ -n "${keep:-}" ] || rm -rf "$dir"
    return 0
}
trap stop EXIT
trap 'exit 130' INT TERM

port_free() {
    ! curl -s -o /dev/null --max-time 1 "http://127.0.0.1:$1/" 2>/dev/null
}

case $server in
nginx)
    module=$build/nginx/ngx_http_argo_edge_module.so
    shadow='argo_edge shadow'
    run="$(command -v nginx || echo /usr/sbin/nginx) -p $dir/ -c $dir/nginx.conf" ;;
httpd)
    module=$build/httpd/mod_argo_edge.so
    shadow='ArgoEdge Shadow'
    run="$(command -v apache2 || command -v httpd || echo /usr/sbin/apache2) -f $dir/httpd.conf" ;;
*) fail "there is no server \"$server\"" "SERVER is nginx or httpd" ;;
esac

# ---- set up ----
[ -f "$module" ] || fail "$module is not built" "run: ./configure --install-deps && make"
[ -x "$build/demo-backend" ] || fail "it is not built" "run: make demo"
port_free "$port" && port_free "$backend" ||
    fail "port $port or $backend is in use" "run: make demo DEMO_PORT=28080"
cp -R "$top/demo/inputs" "$dir/inputs"
mkdir -p "$dir/inputs/argocd-secret"
chmod -R u+w,go-rwx "$dir/inputs"
od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$dir/inputs/argocd-secret/server.secretkey"
printf '[{"id":"ci-1","iat":1767225600}]' >"$dir/inputs/argocd-secret/accounts.ci.tokens"
chmod 600 "$dir"/inputs/argocd-secret/*     # a server refuses a secret that all may read
mkdir -m 0700 "$dir/cache"
user=$(id -un)
if [ "$server" = httpd ] && [ "$user" = root ]; then
    # its children never run as root: what they read and write must be theirs
    user=$(getent passwd www-data apache nobody | head -n 1 | cut -d: -f1)
    chmod 0711 "$dir"
    chown -R "$user" "$dir/inputs" "$dir/cache"
fi
sed -e "s|@MODULE@|$module|" -e "s|@DIR@|$dir|g" -e "s|@PORT@|$port|" \
    -e "s|@BACKEND@|$backend|" -e "s|@USER@|$user|" \
    -e "s|@GROUP@|$(id -gn "$user")|" \
    -e "s|@MODULES@|${HTTPD_MODULES:-/usr/lib/apache2/modules}|" \
    "$top/demo/$server.conf.in" >"$dir/$server.conf"
[ "$(id -u)" = 0 ] || sed -i '/^[Uu]ser /d; /^Group /d' "$dir/$server.conf"
"$build/demo-backend" --port "$backend" --inputs "$dir/inputs" \
    --data "$top/demo/data" --apps "$napps" >"$dir/backend.log" 2>&1 &
backend_pid=$!
i=0
until curl -s -o /dev/null "http://127.0.0.1:$backend/healthz"; do
    i=$((i + 1)); [ $i -lt 50 ] || fail "the backend did not start"
    sleep 0.1
done
# shellcheck disable=SC2086
$run -t >"$dir/test.log" 2>&1 ||
    { cat "$dir/test.log" >&2; fail "$server refuses the configuration"; }
# shellcheck disable=SC2086
$run 2>>"$dir/error.log" || fail "$server did not start"
i=0
until curl -s -o /dev/null "$edge/healthz"; do
    i=$((i + 1)); [ $i -lt 50 ] || fail "$server did not start"
    sleep 0.1
done

# ---- one request, one line ----
# say WHO METHOD TARGET [BODY]; sets $status $body $decision $ms
say() {
    who=$1 method=$2 target=$3
    set -- -s -o "$dir/body.out" -D "$dir/head.out" -X "$method" \
        -w '%{http_code} %{time_total}' "$edge$target" ${4:+-d} ${4:+"$4"}
    [ "$method" = GET ] || set -- "$@" -H 'Content-Type: application/json'
    case $who in
    alice) set -- "$@" -H "Authorization: Bearer $alice" ;;
    bob) set -- "$@" -H "Authorization: Bearer $bob" ;;
    ci) set -- "$@" -H "Authorization: Bearer $ci" ;;
    esac
    out=$(curl "$@") || fail "no answer to $method $target"
    status=${out%% *}
    ms=$(awk -v t="${out##* }" 'BEGIN { printf "%.2f", t * 1000 }')
    body=$(head -c 200 "$dir/body.out" | tr '\n' ' ')
    decision=$(tr -d '\r' <"$dir/head.out" | sed -n 's/^[Aa]rgo-[Ee]dge: //p')
    cache=${decision#* }
    printf '   %-5s %-4s %-62s %s  %-15s %6s ms\n' "$who" "$method" \
        "$target" "$status" "$decision" "$ms"
}
want() { # want WHAT ACTUAL EXPECTED
    [ "$2" = "$3" ] || fail "$1: got $2, expected $3"
}
items() { grep -o '"uid":"uid-app' "$dir/body.out" | wc -l | tr -d ' '; }
median() { # median [CURL OPTION]...: of 20 lists on one connection
    urls=
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        urls="$urls -o /dev/null $edge/api/v1/applications"
    done
    # shellcheck disable=SC2086
    curl -s -w '%{time_total}\n' -H "Authorization: Bearer $alice" "$@" $urls |
        sort -n | awk '{ t[NR] = $1 } END { printf "%.2f", t[int((NR + 1) / 2)] * 1000 }'
}
login() {
    curl -s "$edge/api/v1/session" -H 'Content-Type: application/json' \
        -d "{\"username\":\"$1\",\"password\":\"$1\"}" |
        sed -n 's/.*"token":"\([^"]*\)".*/\1/p'
}

alice=$(login alice); bob=$(login bob)
[ -n "$alice" ] && [ -n "$bob" ] || fail "no token came back from the login"
ci=$("$cli" token mint ci:apiKey --id ci-1 --inputs "$dir/inputs") ||
    fail "argo-edge could not mint a token"

if [ "$mode" = up ]; then
    cat <<EOF
argo-edge is up: $edge  ($server; the look-alike itself: port $backend)

  inputs   $dir/inputs   edit argocd-rbac-cm/policy.csv: it is picked up live
  logs     $dir/access.log

  TOKEN=$alice
  curl -i $edge/api/v1/applications -H "Authorization: Bearer \$TOKEN"

Press Ctrl-C to stop.
EOF
    while sleep 3600; do :; done
fi

cat <<EOF
argo-edge demo: $server with argo-edge on $edge, an Argo CD look-alike with
$napps applications behind it.  Each line: who, what, status, decision and cache, time.

1. Two users logged in through the edge; the list of each is filtered by Argo CD, then cached.
EOF
say alice GET /api/v1/applications; na=$(items)
say alice GET /api/v1/applications
want "the second list is a hit" "${decision##* }" hit
say bob GET /api/v1/applications; nb=$(items)
echo "   alice sees $na applications, bob $nb: bob was not given alice's list."
slow=$(median -H 'Cache-Control: no-cache') fast=$(median)
echo
echo "2. One application, twice, then somebody who may not see it."
say alice GET /api/v1/applications/web-a
say alice GET /api/v1/applications/web-a; want "the second get is a hit" "${decision##* }" hit
say bob GET "/api/v1/applications/web-a?project=team-a"; want "bob is refused" "$status" 403
echo "   $body"
echo
echo "3. A refusal is Argo CD's own; where the request alone decides (deny), it does not reach Argo CD."
say bob POST /api/v1/applications/web-a/sync '{"project":"team-a"}'; want "bob's sync is refused" "$status" 403
say bob DELETE "/api/v1/applications/web-a?project=team-a"; want "bob's delete is refused" "$status $decision" "403 deny "
echo "   $body"
say bob GET /api/v1/projects/team-a; want "bob is refused" "$status" 403
echo "   $body"
echo
echo "4. can-i is answered at the edge."
say alice GET /api/v1/account/can-i/applications/sync/team-a/web-a; echo "   $body"
say alice GET /api/v1/account/can-i/applications/delete/team-a/web-a; echo "   $body"
echo
echo "5. A write through the edge is seen by the next read (for 5 s, nothing that it touched is cached)."
say alice POST /api/v1/applications/web-a/sync '{}'; want "alice may sync" "$status" 200
new=$(grep -o '"resourceVersion":"[0-9]*"' "$dir/body.out" | head -n 1)
say alice GET /api/v1/applications/web-a
want "the read after the sync" "$(grep -o '"resourceVersion":"[0-9]*"' "$dir/body.out" | head -n 1)" "$new"
echo "   the read shows $new, the version that the sync wrote."
echo
echo "6. A policy edit is picked up live: team-a loses its right to sync."
sed -i '/role:team-a, applications, sync/d' "$dir/inputs/argocd-rbac-cm/policy.csv"
i=0
while :; do
    answer=$(curl -s "$edge/api/v1/account/can-i/applications/sync/team-a/web-a" -H "Authorization: Bearer $alice")
    [ "$answer" = '{"value":"no"}' ] && break
    i=$((i + 1)); [ $i -lt 50 ] || fail "the edit was not picked up within 5 s"
    sleep 0.1
done
say alice GET /api/v1/account/can-i/applications/sync/team-a/web-a; echo "   $body"
say alice POST /api/v1/applications/web-a/sync '{"project":"team-a"}'; want "alice may no longer sync" "$status" 403
echo "   $body"
"$cli" can alice sync applications team-a/web-a --inputs "$dir/inputs" --explain | sed 's/^/   /' || true
echo
echo "7. A broken edit does no harm: the last good policy stays in force."
printf 'p, role:team-a, applications, get team-a/*, allow\n' >>"$dir/inputs/argocd-rbac-cm/policy.csv"
sleep 2.2 # two polls
say alice GET /api/v1/applications/web-a; want "alice is still served" "$status" 200
grep -o 'policy.csv:[0-9].*' "$dir/error.log" | tail -n 1 | cut -c1-150 | sed "s/^/   $server logged: /"
cat <<EOF

Median of 20 requests for alice's list, by curl's clock: $slow ms from the backend,
$fast ms from the edge.  (The backend has $napps applications and no load; a real argocd-server with 5,000
takes 70 to 400 ms.)

Next: point the same configuration at a real argocd-server.
  1. Mount argocd-rbac-cm, argocd-cm, argocd-secret and the AppProjects under /etc/argo-edge
     (docs/operating.md), or export them once:
       kubectl -n argocd get cm argocd-rbac-cm -o yaml > /etc/argo-edge/argocd-rbac-cm.yaml
  2. Take $top/demo/$server.conf.in, set the upstream to argocd-server, and start with
     \`$shadow\`: it decides and counts, and changes nothing.
  3. \`argo-edge lint /etc/argo-edge\` says what is wrong with the policy today.
\`make demo-up\` keeps the demo running for you to try.
EOF
