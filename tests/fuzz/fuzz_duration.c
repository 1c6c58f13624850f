/* SPDX-License-Identifier: MIT */
/*
 * What is a duration must be one again, with the same length, after being written out for people.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/duration.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	char again[DURATION_TEXT_MAX];
	struct err err;
	unsigned ms, same;

	if (!text)
		return 0;
	if (duration_parse(text, &ms, &err) == 0 &&
	    (duration_parse(duration_format(again, ms), &same, NULL) < 0 || same != ms))
		abort();
	free(text);
	return 0;
}
