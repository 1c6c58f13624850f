/* SPDX-License-Identifier: MIT */
#include "lib/base64.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit_value(char c)
{
	const char *found = c ? strchr(digits, c) : NULL;

	return found ? (int)(found - digits) : -1;
}

int base64_decode(const char *text, size_t size, void *out, size_t out_size)
{
	unsigned char *bytes = out;
	size_t padding = 0, used = 0;
	unsigned bits = 0;

	while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
		padding++;
	if (size % 4 != 0)
		return -1;
	for (size_t i = 0; i < size; i++) {
		int value = i < size - padding ? digit_value(text[i]) : 0;
		size_t take =
			i < size - padding ? 3 : 3 - padding; /* bytes a full group is worth */

		if (value < 0)
			return -1;
		bits = bits << 6 | (unsigned)value;
		if (i % 4 != 3)
			continue;
		if (take > out_size - used)
			return -1;
		for (size_t k = 0; k < take; k++)
			bytes[used++] = (unsigned char)(bits >> (8 * (2 - k)));
	}
	return (int)used;
}

char *base64_encode(const void *data, size_t size)
{
	const unsigned char *bytes = data;
	char *text, *end;

	if (size > SIZE_MAX / 4 * 3 - 8)
		return NULL;
	text = end = malloc((size + 2) / 3 * 4 + 1);
	if (!text)
		return NULL;
	for (size_t i = 0; i < size; i += 3) {
		size_t left = size - i;
		unsigned group = (unsigned)bytes[i] << 16;

		group |= left > 1 ? (unsigned)bytes[i + 1] << 8 : 0;
		group |= left > 2 ? bytes[i + 2] : 0;
		for (unsigned k = 0; k < 4; k++)
			*end++ = k <= left ? digits[group >> (18 - 6 * k) & 63] : '=';
	}
	*end = '\0';
	return text;
}
