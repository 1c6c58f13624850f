/* SPDX-License-Identifier: MIT */
/*
 * base64 as RFC 4648 has it: the common alphabet, padded, without line ends.
 */
#pragma once

#include <stddef.h>

/* Returns the number of bytes; -1: text is no base64, or does not fit. out may be text itself. */
int base64_decode(const char *text, size_t size, void *out, size_t out_size);
/* The caller frees; NULL: out of memory. */
char *base64_encode(const void *bytes, size_t size);
