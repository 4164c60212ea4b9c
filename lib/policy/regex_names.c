/*
 * regex_names.c - what Go's regexp knows as \p{Name}, in terms of PCRE2.
 *
 * Go 1.26 has Unicode 15.0, PCRE2 10.42 has 14.0: the characters that came
 * between are listed, as are those that Go adds to a category under (?i).
 * Go looks names up without case, blanks, '-' and '_', and so misses its own
 * scripts of several words (\p{Old_Italic} is an error there): they are left
 * out here too.
 */
#include "policy/regex.h"

struct cps { uint32_t lo, hi, step; };
struct part { uint16_t at, n; }; /* of cps[] */

static const struct cps cps[] = {
    { 0x13439, 0x1343f, 1 }, { 0x1123f, 0x11240, 1 }, { 0x11f02, 0x11f02, 1 },
    { 0x11f04, 0x11f10, 1 }, { 0x11f12, 0x11f33, 1 }, { 0x1342f, 0x1342f, 1 },
    { 0x13441, 0x13446, 1 }, { 0x1b132, 0x1b132, 1 }, { 0x1b155, 0x1b155, 1 },
    { 0x1df25, 0x1df2a, 1 }, { 0x1e030, 0x1e06d, 1 }, { 0x1e4d0, 0x1e4eb, 1 },
    { 0x2b739, 0x2b739, 1 }, { 0x31350, 0x323af, 1 }, { 0x1df25, 0x1df2a, 1 },
    { 0x1df25, 0x1df2a, 1 }, { 0x1e030, 0x1e06d, 1 }, { 0x1e4eb, 0x1e4eb, 1 },
    { 0x1123f, 0x11240, 1 }, { 0x11f02, 0x11f02, 1 }, { 0x11f04, 0x11f10, 1 },
    { 0x11f12, 0x11f33, 1 }, { 0x1342f, 0x1342f, 1 }, { 0x13441, 0x13446, 1 },
    { 0x1b132, 0x1b132, 1 }, { 0x1b155, 0x1b155, 1 }, { 0x1e4d0, 0x1e4ea, 1 },
    { 0x2b739, 0x2b739, 1 }, { 0x31350, 0x323af, 1 }, { 0xcf3, 0xcf3, 1 },
    { 0xece, 0xece, 1 }, { 0x10efd, 0x10eff, 1 }, { 0x11241, 0x11241, 1 },
    { 0x11f00, 0x11f01, 1 }, { 0x11f03, 0x11f03, 1 }, { 0x11f34, 0x11f3a, 1 },
    { 0x11f3e, 0x11f42, 1 }, { 0x13440, 0x13440, 1 }, { 0x13447, 0x13455, 1 },
    { 0x1e08f, 0x1e08f, 1 }, { 0x1e4ec, 0x1e4ef, 1 }, { 0xcf3, 0xcf3, 1 },
    { 0x11f03, 0x11f03, 1 }, { 0x11f34, 0x11f35, 1 }, { 0x11f3e, 0x11f3f, 1 },
    { 0x11f41, 0x11f41, 1 }, { 0xece, 0xece, 1 }, { 0x10efd, 0x10eff, 1 },
    { 0x11241, 0x11241, 1 }, { 0x11f00, 0x11f01, 1 }, { 0x11f36, 0x11f3a, 1 },
    { 0x11f40, 0x11f40, 1 }, { 0x11f42, 0x11f42, 1 }, { 0x13440, 0x13440, 1 },
    { 0x13447, 0x13455, 1 }, { 0x1e08f, 0x1e08f, 1 }, { 0x1e4ec, 0x1e4ef, 1 },
    { 0x11f50, 0x11f59, 1 }, { 0x1d2c0, 0x1d2d3, 1 }, { 0x1e4f0, 0x1e4f9, 1 },
    { 0x11f50, 0x11f59, 1 }, { 0x1e4f0, 0x1e4f9, 1 }, { 0x1d2c0, 0x1d2d3, 1 },
    { 0x11b00, 0x11b09, 1 }, { 0x11f43, 0x11f4f, 1 }, { 0x11b00, 0x11b09, 1 },
    { 0x11f43, 0x11f4f, 1 }, { 0x1f6dc, 0x1f6dc, 1 }, { 0x1f774, 0x1f776, 1 },
    { 0x1f77b, 0x1f77f, 1 }, { 0x1f7d9, 0x1f7d9, 1 }, { 0x1fa75, 0x1fa77, 1 },
    { 0x1fa87, 0x1fa88, 1 }, { 0x1faad, 0x1faaf, 1 }, { 0x1fabb, 0x1fabd, 1 },
    { 0x1fabf, 0x1fabf, 1 }, { 0x1face, 0x1facf, 1 }, { 0x1fada, 0x1fadb, 1 },
    { 0x1fae8, 0x1fae8, 1 }, { 0x1faf7, 0x1faf8, 1 }, { 0x1f6dc, 0x1f6dc, 1 },
    { 0x1f774, 0x1f776, 1 }, { 0x1f77b, 0x1f77f, 1 }, { 0x1f7d9, 0x1f7d9, 1 },
    { 0x1fa75, 0x1fa77, 1 }, { 0x1fa87, 0x1fa88, 1 }, { 0x1faad, 0x1faaf, 1 },
    { 0x1fabb, 0x1fabd, 1 }, { 0x1fabf, 0x1fabf, 1 }, { 0x1face, 0x1facf, 1 },
    { 0x1fada, 0x1fadb, 1 }, { 0x1fae8, 0x1fae8, 1 }, { 0x1faf7, 0x1faf8, 1 },
    { 0x10efd, 0x10eff, 1 }, { 0x1d2c0, 0x1d2d3, 1 }, { 0x1f6dc, 0x1f6dc, 1 },
    { 0x1f774, 0x1f776, 1 }, { 0x1f77b, 0x1f77f, 1 }, { 0x1f7d9, 0x1f7d9, 1 },
    { 0x1fa75, 0x1fa77, 1 }, { 0x1fa87, 0x1fa88, 1 }, { 0x1faad, 0x1faaf, 1 },
    { 0x1fabb, 0x1fabd, 1 }, { 0x1fabf, 0x1fabf, 1 }, { 0x1face, 0x1facf, 1 },
    { 0x1fada, 0x1fadb, 1 }, { 0x1fae8, 0x1fae8, 1 }, { 0x1faf7, 0x1faf8, 1 },
    { 0x1e030, 0x1e06d, 1 }, { 0x1e08f, 0x1e08f, 1 }, { 0x11b00, 0x11b09, 1 },
    { 0x2b739, 0x2b739, 1 }, { 0x31350, 0x323af, 1 }, { 0x1b132, 0x1b132, 1 },
    { 0xcf3, 0xcf3, 1 }, { 0x1b155, 0x1b155, 1 }, { 0x11f00, 0x11f10, 1 },
    { 0x11f12, 0x11f3a, 1 }, { 0x11f3e, 0x11f59, 1 }, { 0x1123f, 0x11241, 1 },
    { 0xece, 0xece, 1 }, { 0x1df25, 0x1df2a, 1 }, { 0x345, 0x345, 1 },
    { 0x41, 0x5a, 1 }, { 0xc0, 0xd6, 1 }, { 0xd8, 0xde, 1 },
    { 0x100, 0x12e, 2 }, { 0x132, 0x136, 2 }, { 0x139, 0x147, 2 },
    { 0x14a, 0x178, 2 }, { 0x179, 0x17d, 2 }, { 0x181, 0x182, 1 },
    { 0x184, 0x184, 1 }, { 0x186, 0x187, 1 }, { 0x189, 0x18b, 1 },
    { 0x18e, 0x191, 1 }, { 0x193, 0x194, 1 }, { 0x196, 0x198, 1 },
    { 0x19c, 0x19d, 1 }, { 0x19f, 0x1a0, 1 }, { 0x1a2, 0x1a6, 2 },
    { 0x1a7, 0x1a7, 1 }, { 0x1a9, 0x1a9, 1 }, { 0x1ac, 0x1ac, 1 },
    { 0x1ae, 0x1af, 1 }, { 0x1b1, 0x1b3, 1 }, { 0x1b5, 0x1b5, 1 },
    { 0x1b7, 0x1b8, 1 }, { 0x1bc, 0x1bc, 1 }, { 0x1c4, 0x1c5, 1 },
    { 0x1c7, 0x1c8, 1 }, { 0x1ca, 0x1cb, 1 }, { 0x1cd, 0x1db, 2 },
    { 0x1de, 0x1ee, 2 }, { 0x1f1, 0x1f2, 1 }, { 0x1f4, 0x1f4, 1 },
    { 0x1f6, 0x1f8, 1 }, { 0x1fa, 0x232, 2 }, { 0x23a, 0x23b, 1 },
    { 0x23d, 0x23e, 1 }, { 0x241, 0x241, 1 }, { 0x243, 0x246, 1 },
    { 0x248, 0x24e, 2 }, { 0x345, 0x345, 1 }, { 0x370, 0x370, 1 },
    { 0x372, 0x372, 1 }, { 0x376, 0x376, 1 }, { 0x37f, 0x37f, 1 },
    { 0x386, 0x386, 1 }, { 0x388, 0x38a, 1 }, { 0x38c, 0x38c, 1 },
    { 0x38e, 0x38f, 1 }, { 0x391, 0x3a1, 1 }, { 0x3a3, 0x3ab, 1 },
    { 0x3cf, 0x3cf, 1 }, { 0x3d8, 0x3ee, 2 }, { 0x3f4, 0x3f4, 1 },
    { 0x3f7, 0x3f7, 1 }, { 0x3f9, 0x3fa, 1 }, { 0x3fd, 0x42f, 1 },
    { 0x460, 0x480, 2 }, { 0x48a, 0x4c0, 2 }, { 0x4c1, 0x4cd, 2 },
    { 0x4d0, 0x52e, 2 }, { 0x531, 0x556, 1 }, { 0x10a0, 0x10c5, 1 },
    { 0x10c7, 0x10c7, 1 }, { 0x10cd, 0x10cd, 1 }, { 0x13a0, 0x13f5, 1 },
    { 0x1c90, 0x1cba, 1 }, { 0x1cbd, 0x1cbf, 1 }, { 0x1e00, 0x1e94, 2 },
    { 0x1e9e, 0x1efe, 2 }, { 0x1f08, 0x1f0f, 1 }, { 0x1f18, 0x1f1d, 1 },
    { 0x1f28, 0x1f2f, 1 }, { 0x1f38, 0x1f3f, 1 }, { 0x1f48, 0x1f4d, 1 },
    { 0x1f59, 0x1f5f, 2 }, { 0x1f68, 0x1f6f, 1 }, { 0x1f88, 0x1f8f, 1 },
    { 0x1f98, 0x1f9f, 1 }, { 0x1fa8, 0x1faf, 1 }, { 0x1fb8, 0x1fbc, 1 },
    { 0x1fc8, 0x1fcc, 1 }, { 0x1fd8, 0x1fdb, 1 }, { 0x1fe8, 0x1fec, 1 },
    { 0x1ff8, 0x1ffc, 1 }, { 0x2126, 0x2126, 1 }, { 0x212a, 0x212b, 1 },
    { 0x2132, 0x2132, 1 }, { 0x2183, 0x2183, 1 }, { 0x2c00, 0x2c2f, 1 },
    { 0x2c60, 0x2c60, 1 }, { 0x2c62, 0x2c64, 1 }, { 0x2c67, 0x2c6d, 2 },
    { 0x2c6e, 0x2c70, 1 }, { 0x2c72, 0x2c72, 1 }, { 0x2c75, 0x2c75, 1 },
    { 0x2c7e, 0x2c80, 1 }, { 0x2c82, 0x2ce2, 2 }, { 0x2ceb, 0x2ceb, 1 },
    { 0x2ced, 0x2ced, 1 }, { 0x2cf2, 0x2cf2, 1 }, { 0xa640, 0xa66c, 2 },
    { 0xa680, 0xa69a, 2 }, { 0xa722, 0xa72e, 2 }, { 0xa732, 0xa76e, 2 },
    { 0xa779, 0xa77d, 2 }, { 0xa77e, 0xa786, 2 }, { 0xa78b, 0xa78b, 1 },
    { 0xa78d, 0xa78d, 1 }, { 0xa790, 0xa790, 1 }, { 0xa792, 0xa792, 1 },
    { 0xa796, 0xa7aa, 2 }, { 0xa7ab, 0xa7ae, 1 }, { 0xa7b0, 0xa7b4, 1 },
    { 0xa7b6, 0xa7c4, 2 }, { 0xa7c5, 0xa7c7, 1 }, { 0xa7c9, 0xa7c9, 1 },
    { 0xa7d0, 0xa7d0, 1 }, { 0xa7d6, 0xa7d6, 1 }, { 0xa7d8, 0xa7d8, 1 },
    { 0xa7f5, 0xa7f5, 1 }, { 0xff21, 0xff3a, 1 }, { 0x10400, 0x10427, 1 },
    { 0x104b0, 0x104d3, 1 }, { 0x10570, 0x1057a, 1 }, { 0x1057c, 0x1058a, 1 },
    { 0x1058c, 0x10592, 1 }, { 0x10594, 0x10595, 1 }, { 0x10c80, 0x10cb2, 1 },
    { 0x118a0, 0x118bf, 1 }, { 0x16e40, 0x16e5f, 1 }, { 0x1e900, 0x1e921, 1 },
    { 0x1c4, 0x1c4, 1 }, { 0x1c6, 0x1c7, 1 }, { 0x1c9, 0x1ca, 1 },
    { 0x1cc, 0x1cc, 1 }, { 0x1f1, 0x1f1, 1 }, { 0x1f3, 0x1f3, 1 },
    { 0x1f80, 0x1f87, 1 }, { 0x1f90, 0x1f97, 1 }, { 0x1fa0, 0x1fa7, 1 },
    { 0x1fb3, 0x1fb3, 1 }, { 0x1fc3, 0x1fc3, 1 }, { 0x1ff3, 0x1ff3, 1 },
    { 0x61, 0x7a, 1 }, { 0xb5, 0xb5, 1 }, { 0xdf, 0xf6, 1 }, { 0xf8, 0xff, 1 },
    { 0x101, 0x12f, 2 }, { 0x133, 0x137, 2 }, { 0x13a, 0x148, 2 },
    { 0x14b, 0x177, 2 }, { 0x17a, 0x17e, 2 }, { 0x17f, 0x180, 1 },
    { 0x183, 0x183, 1 }, { 0x185, 0x185, 1 }, { 0x188, 0x188, 1 },
    { 0x18c, 0x18c, 1 }, { 0x192, 0x192, 1 }, { 0x195, 0x195, 1 },
    { 0x199, 0x19a, 1 }, { 0x19e, 0x19e, 1 }, { 0x1a1, 0x1a5, 2 },
    { 0x1a8, 0x1a8, 1 }, { 0x1ad, 0x1ad, 1 }, { 0x1b0, 0x1b0, 1 },
    { 0x1b4, 0x1b4, 1 }, { 0x1b6, 0x1b6, 1 }, { 0x1b9, 0x1b9, 1 },
    { 0x1bd, 0x1bd, 1 }, { 0x1bf, 0x1bf, 1 }, { 0x1c5, 0x1c6, 1 },
    { 0x1c8, 0x1c9, 1 }, { 0x1cb, 0x1cc, 1 }, { 0x1ce, 0x1dc, 2 },
    { 0x1dd, 0x1ef, 2 }, { 0x1f2, 0x1f3, 1 }, { 0x1f5, 0x1f5, 1 },
    { 0x1f9, 0x21f, 2 }, { 0x223, 0x233, 2 }, { 0x23c, 0x23c, 1 },
    { 0x23f, 0x240, 1 }, { 0x242, 0x242, 1 }, { 0x247, 0x24f, 2 },
    { 0x250, 0x254, 1 }, { 0x256, 0x257, 1 }, { 0x259, 0x259, 1 },
    { 0x25b, 0x25c, 1 }, { 0x260, 0x261, 1 }, { 0x263, 0x263, 1 },
    { 0x265, 0x266, 1 }, { 0x268, 0x26c, 1 }, { 0x26f, 0x26f, 1 },
    { 0x271, 0x272, 1 }, { 0x275, 0x275, 1 }, { 0x27d, 0x27d, 1 },
    { 0x280, 0x280, 1 }, { 0x282, 0x283, 1 }, { 0x287, 0x28c, 1 },
    { 0x292, 0x292, 1 }, { 0x29d, 0x29e, 1 }, { 0x345, 0x345, 1 },
    { 0x371, 0x371, 1 }, { 0x373, 0x37b, 4 }, { 0x37c, 0x37d, 1 },
    { 0x3ac, 0x3af, 1 }, { 0x3b1, 0x3ce, 1 }, { 0x3d0, 0x3d1, 1 },
    { 0x3d5, 0x3d7, 1 }, { 0x3d9, 0x3ef, 2 }, { 0x3f0, 0x3f3, 1 },
    { 0x3f5, 0x3fb, 3 }, { 0x430, 0x45f, 1 }, { 0x461, 0x481, 2 },
    { 0x48b, 0x4bf, 2 }, { 0x4c2, 0x4ce, 2 }, { 0x4cf, 0x52f, 2 },
    { 0x561, 0x586, 1 }, { 0x10d0, 0x10fa, 1 }, { 0x10fd, 0x10ff, 1 },
    { 0x13f8, 0x13fd, 1 }, { 0x1c80, 0x1c88, 1 }, { 0x1d79, 0x1d79, 1 },
    { 0x1d7d, 0x1d7d, 1 }, { 0x1d8e, 0x1d8e, 1 }, { 0x1e01, 0x1e95, 2 },
    { 0x1e9b, 0x1e9b, 1 }, { 0x1ea1, 0x1eff, 2 }, { 0x1f00, 0x1f07, 1 },
    { 0x1f10, 0x1f15, 1 }, { 0x1f20, 0x1f27, 1 }, { 0x1f30, 0x1f37, 1 },
    { 0x1f40, 0x1f45, 1 }, { 0x1f51, 0x1f57, 2 }, { 0x1f60, 0x1f67, 1 },
    { 0x1f70, 0x1f7d, 1 }, { 0x1fb0, 0x1fb1, 1 }, { 0x1fbe, 0x1fbe, 1 },
    { 0x1fd0, 0x1fd1, 1 }, { 0x1fe0, 0x1fe1, 1 }, { 0x1fe5, 0x1fe5, 1 },
    { 0x214e, 0x214e, 1 }, { 0x2184, 0x2184, 1 }, { 0x2c30, 0x2c5f, 1 },
    { 0x2c61, 0x2c61, 1 }, { 0x2c65, 0x2c66, 1 }, { 0x2c68, 0x2c6c, 2 },
    { 0x2c73, 0x2c73, 1 }, { 0x2c76, 0x2c76, 1 }, { 0x2c81, 0x2ce3, 2 },
    { 0x2cec, 0x2cec, 1 }, { 0x2cee, 0x2cee, 1 }, { 0x2cf3, 0x2cf3, 1 },
    { 0x2d00, 0x2d25, 1 }, { 0x2d27, 0x2d27, 1 }, { 0x2d2d, 0x2d2d, 1 },
    { 0xa641, 0xa66d, 2 }, { 0xa681, 0xa69b, 2 }, { 0xa723, 0xa72f, 2 },
    { 0xa733, 0xa76f, 2 }, { 0xa77a, 0xa77a, 1 }, { 0xa77c, 0xa77c, 1 },
    { 0xa77f, 0xa787, 2 }, { 0xa78c, 0xa78c, 1 }, { 0xa791, 0xa791, 1 },
    { 0xa793, 0xa794, 1 }, { 0xa797, 0xa7a9, 2 }, { 0xa7b5, 0xa7c3, 2 },
    { 0xa7c8, 0xa7c8, 1 }, { 0xa7ca, 0xa7ca, 1 }, { 0xa7d1, 0xa7d1, 1 },
    { 0xa7d7, 0xa7d7, 1 }, { 0xa7d9, 0xa7d9, 1 }, { 0xa7f6, 0xa7f6, 1 },
    { 0xab53, 0xab53, 1 }, { 0xab70, 0xabbf, 1 }, { 0xff41, 0xff5a, 1 },
    { 0x10428, 0x1044f, 1 }, { 0x104d8, 0x104fb, 1 }, { 0x10597, 0x105a1, 1 },
    { 0x105a3, 0x105b1, 1 }, { 0x105b3, 0x105b9, 1 }, { 0x105bb, 0x105bc, 1 },
    { 0x10cc0, 0x10cf2, 1 }, { 0x118c0, 0x118df, 1 }, { 0x16e60, 0x16e7f, 1 },
    { 0x1e922, 0x1e943, 1 }, { 0x399, 0x399, 1 }, { 0x3b9, 0x3b9, 1 },
    { 0x1fbe, 0x1fbe, 1 }, { 0x399, 0x399, 1 }, { 0x3b9, 0x3b9, 1 },
    { 0x1fbe, 0x1fbe, 1 }, { 0x39c, 0x39c, 1 }, { 0x3bc, 0x3bc, 1 },
    { 0xb5, 0xb5, 1 }, { 0x345, 0x345, 1 }, { 0x399, 0x399, 1 },
    { 0x3b9, 0x3b9, 1 }, { 0x1fbe, 0x1fbe, 1 },
};

static const struct name {
    const char *name, *pcre; /* NULL: PCRE2 10.42 does not know it */
    struct part newer, fold;
} names[] = {
    { "arabic", "sc:arabic", { 93, 1 }, { 0, 0 } },
    { "c", "C", { 0, 0 }, { 0, 0 } },
    { "casedletter", "L&", { 14, 1 }, { 0, 0 } },
    { "cc", "Cc", { 0, 0 }, { 0, 0 } },
    { "cf", "Cf", { 0, 1 }, { 0, 0 } },
    { "closepunctuation", "Pe", { 0, 0 }, { 0, 0 } },
    { "cn", "Cn", { 0, 0 }, { 0, 0 } },
    { "cntrl", "Cc", { 0, 0 }, { 0, 0 } },
    { "co", "Co", { 0, 0 }, { 0, 0 } },
    { "combiningmark", "M", { 29, 12 }, { 410, 3 } },
    { "common", "sc:common", { 94, 14 }, { 416, 2 } },
    { "connectorpunctuation", "Pc", { 0, 0 }, { 0, 0 } },
    { "control", "Cc", { 0, 0 }, { 0, 0 } },
    { "cs", "Cs", { 0, 0 }, { 0, 0 } },
    { "currencysymbol", "Sc", { 0, 0 }, { 0, 0 } },
    { "cyrillic", "sc:cyrillic", { 108, 2 }, { 0, 0 } },
    { "dashpunctuation", "Pd", { 0, 0 }, { 0, 0 } },
    { "decimalnumber", "Nd", { 60, 2 }, { 0, 0 } },
    { "devanagari", "sc:devanagari", { 110, 1 }, { 0, 0 } },
    { "digit", "Nd", { 60, 2 }, { 0, 0 } },
    { "enclosingmark", "Me", { 0, 0 }, { 0, 0 } },
    { "finalpunctuation", "Pf", { 0, 0 }, { 0, 0 } },
    { "format", "Cf", { 0, 1 }, { 0, 0 } },
    { "greek", "sc:greek", { 0, 0 }, { 418, 2 } },
    { "han", "sc:han", { 111, 2 }, { 0, 0 } },
    { "hiragana", "sc:hiragana", { 113, 1 }, { 0, 0 } },
    { "inherited", "sc:inherited", { 0, 0 }, { 420, 3 } },
    { "initialpunctuation", "Pi", { 0, 0 }, { 0, 0 } },
    { "kannada", "sc:kannada", { 114, 1 }, { 0, 0 } },
    { "katakana", "sc:katakana", { 115, 1 }, { 0, 0 } },
    { "kawi", NULL, { 116, 3 }, { 0, 0 } },
    { "khojki", "sc:khojki", { 119, 1 }, { 0, 0 } },
    { "l", "L", { 1, 13 }, { 122, 1 } },
    { "lao", "sc:lao", { 120, 1 }, { 0, 0 } },
    { "latin", "sc:latin", { 121, 1 }, { 0, 0 } },
    { "lc", "L&", { 14, 1 }, { 0, 0 } },
    { "letter", "L", { 1, 13 }, { 122, 1 } },
    { "letternumber", "Nl", { 0, 0 }, { 0, 0 } },
    { "lineseparator", "Zl", { 0, 0 }, { 0, 0 } },
    { "ll", "Ll", { 15, 1 }, { 123, 132 } },
    { "lm", "Lm", { 16, 2 }, { 0, 0 } },
    { "lo", "Lo", { 18, 11 }, { 0, 0 } },
    { "lowercaseletter", "Ll", { 15, 1 }, { 123, 132 } },
    { "lt", "Lt", { 0, 0 }, { 255, 12 } },
    { "lu", "Lu", { 0, 0 }, { 267, 143 } },
    { "m", "M", { 29, 12 }, { 410, 3 } },
    { "mark", "M", { 29, 12 }, { 410, 3 } },
    { "mathsymbol", "Sm", { 0, 0 }, { 0, 0 } },
    { "mc", "Mc", { 41, 5 }, { 0, 0 } },
    { "me", "Me", { 0, 0 }, { 0, 0 } },
    { "mn", "Mn", { 46, 11 }, { 413, 3 } },
    { "modifierletter", "Lm", { 16, 2 }, { 0, 0 } },
    { "modifiersymbol", "Sk", { 0, 0 }, { 0, 0 } },
    { "n", "N", { 57, 3 }, { 0, 0 } },
    { "nd", "Nd", { 60, 2 }, { 0, 0 } },
    { "nl", "Nl", { 0, 0 }, { 0, 0 } },
    { "no", "No", { 62, 1 }, { 0, 0 } },
    { "nonspacingmark", "Mn", { 46, 11 }, { 413, 3 } },
    { "number", "N", { 57, 3 }, { 0, 0 } },
    { "openpunctuation", "Ps", { 0, 0 }, { 0, 0 } },
    { "other", "C", { 0, 0 }, { 0, 0 } },
    { "otherletter", "Lo", { 18, 11 }, { 0, 0 } },
    { "othernumber", "No", { 62, 1 }, { 0, 0 } },
    { "otherpunctuation", "Po", { 65, 2 }, { 0, 0 } },
    { "othersymbol", "So", { 80, 13 }, { 0, 0 } },
    { "p", "P", { 63, 2 }, { 0, 0 } },
    { "paragraphseparator", "Zp", { 0, 0 }, { 0, 0 } },
    { "pc", "Pc", { 0, 0 }, { 0, 0 } },
    { "pd", "Pd", { 0, 0 }, { 0, 0 } },
    { "pe", "Pe", { 0, 0 }, { 0, 0 } },
    { "pf", "Pf", { 0, 0 }, { 0, 0 } },
    { "pi", "Pi", { 0, 0 }, { 0, 0 } },
    { "po", "Po", { 65, 2 }, { 0, 0 } },
    { "privateuse", "Co", { 0, 0 }, { 0, 0 } },
    { "ps", "Ps", { 0, 0 }, { 0, 0 } },
    { "punct", "P", { 63, 2 }, { 0, 0 } },
    { "punctuation", "P", { 63, 2 }, { 0, 0 } },
    { "s", "S", { 67, 13 }, { 0, 0 } },
    { "sc", "Sc", { 0, 0 }, { 0, 0 } },
    { "separator", "Z", { 0, 0 }, { 0, 0 } },
    { "sk", "Sk", { 0, 0 }, { 0, 0 } },
    { "sm", "Sm", { 0, 0 }, { 0, 0 } },
    { "so", "So", { 80, 13 }, { 0, 0 } },
    { "spaceseparator", "Zs", { 0, 0 }, { 0, 0 } },
    { "spacingmark", "Mc", { 41, 5 }, { 0, 0 } },
    { "surrogate", "Cs", { 0, 0 }, { 0, 0 } },
    { "symbol", "S", { 67, 13 }, { 0, 0 } },
    { "titlecaseletter", "Lt", { 0, 0 }, { 255, 12 } },
    { "unassigned", "Cn", { 0, 0 }, { 0, 0 } },
    { "uppercaseletter", "Lu", { 0, 0 }, { 267, 143 } },
    { "z", "Z", { 0, 0 }, { 0, 0 } },
    { "zl", "Zl", { 0, 0 }, { 0, 0 } },
    { "zp", "Zp", { 0, 0 }, { 0, 0 } },
    { "zs", "Zs", { 0, 0 }, { 0, 0 } },
};

/* Scripts that are the same in both. */
static const char *const scripts[] = {
    "adlam", "ahom", "armenian", "avestan", "balinese", "bamum", "batak",
    "bengali", "bhaiksuki", "bopomofo", "brahmi", "braille", "buginese",
    "buhid", "carian", "chakma", "cham", "cherokee", "chorasmian", "coptic",
    "cuneiform", "cypriot", "deseret", "dogra", "duployan", "elbasan",
    "elymaic", "ethiopic", "georgian", "glagolitic", "gothic", "grantha",
    "gujarati", "gurmukhi", "hangul", "hanunoo", "hatran", "hebrew",
    "javanese", "kaithi", "kharoshthi", "khmer", "khudawadi", "lepcha",
    "limbu", "lisu", "lycian", "lydian", "mahajani", "makasar", "malayalam",
    "mandaic", "manichaean", "marchen", "medefaidrin", "miao", "modi",
    "mongolian", "mro", "multani", "myanmar", "nabataean", "nandinagari",
    "newa", "nko", "nushu", "ogham", "oriya", "osage", "osmanya", "palmyrene",
    "phoenician", "rejang", "runic", "samaritan", "saurashtra", "sharada",
    "shavian", "siddham", "sinhala", "sogdian", "soyombo", "sundanese",
    "syriac", "tagalog", "tagbanwa", "takri", "tamil", "tangsa", "tangut",
    "telugu", "thaana", "thai", "tibetan", "tifinagh", "tirhuta", "toto",
    "ugaritic", "vai", "vithkuqi", "wancho", "yezidi", "yi",
};

static const struct name *find_name(const char *key)
{
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i].name, key) == 0)
            return &names[i];
    return NULL;
}

static bool is_script(const char *key)
{
    size_t i;

    for (i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
        if (strcmp(scripts[i], key) == 0)
            return true;
    return false;
}

static void put_part(ae_buf *out, struct part p)
{
    const struct cps *c = cps + p.at;

    for (; p.n > 0; p.n--, c++) {
        uint32_t cp;

        if (c->step == 1)
            re_put_range(out, c->lo, c->hi);
        else
            for (cp = c->lo; cp <= c->hi; cp += c->step)
                re_put_range(out, cp, cp);
    }
}

static void put_name(ae_buf *out, const struct name *n, bool fold)
{
    if (n->pcre != NULL)
        ae_buf_printf(out, "\\p{%s}", n->pcre);
    put_part(out, n->newer);
    if (fold)
        put_part(out, n->fold);
}

static void put_names(ae_buf *out, const char *const *keys)
{
    for (; *keys != NULL; keys++)
        put_name(out, find_name(*keys), false);
}

/* What is in no category of PCRE2's may be in one of Go's, so the sets that
 * shrink (C, Cn) are written as what they leave out. */
static bool put_special(ae_buf *out, const char *key, bool fold, bool *not)
{
    static const char *const assigned[] = { "l", "m", "n", "p", "s", "z",
        "cc", "cf", "co", "cs", NULL };
    static const char *const visible[] = { "l", "m", "n", "p", "s", "z",
        NULL };

    if (strcmp(key, "any") == 0) {
        re_put_range(out, 0, 0x10FFFF);
    } else if (strcmp(key, "ascii") == 0) {
        re_put_range(out, 0, 0x7F);
        if (fold) { /* of k and s */
            re_put_range(out, 0x17F, 0x17F);
            re_put_range(out, 0x212A, 0x212A);
        }
    } else if (strcmp(key, "assigned") == 0) {
        put_names(out, assigned);
    } else if (strcmp(key, "cn") == 0 || strcmp(key, "unassigned") == 0) {
        put_names(out, assigned);
        *not = true;
    } else if (strcmp(key, "c") == 0 || strcmp(key, "other") == 0) {
        put_names(out, visible);
        *not = true;
    } else {
        return false;
    }
    return true;
}

bool re_name(ae_buf *out, ae_str name, bool fold, bool *not)
{
    const struct name *n;
    char key[32];
    size_t i, k = 0;

    *not = false;
    for (i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (c == ' ' || c == '-' || c == '_')
            continue;
        if (c == '\0' || k == sizeof(key) - 1)
            return false;
        key[k++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    key[k] = '\0';
    if (put_special(out, key, fold, not))
        return true;
    n = find_name(key);
    if (n != NULL) {
        put_name(out, n, fold);
        return true;
    }
    if (!is_script(key))
        return false;
    ae_buf_printf(out, "\\p{sc:%s}", key);
    return true;
}
