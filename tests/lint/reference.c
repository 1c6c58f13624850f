/* SPDX-License-Identifier: MIT */
/* Prints the list of configuration keys that stands in the manual page; see docs.py. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/schema_doc.h"

int main(void)
{
	char *text = schema_reference();

	if (!text)
		return 1;
	fputs(text, stdout);
	free(text);
	return 0;
}
