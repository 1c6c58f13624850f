/* SPDX-License-Identifier: MIT */
/*
 * Any text as a list of algorithms; the first byte chooses which. What is accepted can be offered, and
 * what is left of a list for OpenSSH is accepted.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/algorithms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void try_list(enum algorithm_kind kind, const char *list)
{
	struct strv dropped = { 0 };
	struct err err;
	char *known = algorithms_known(kind, list, &dropped), *offer;

	if (known && known[0] != '-')
		must(algorithms_check(kind, known, NULL) == 0 ||
		     strlen(known) > ALGORITHM_LIST_MAX);
	if (algorithms_check(kind, list, &err) == 0) {
		offer = algorithms_offer(list, algorithms_default(kind, true));
		must(offer && offer[0] && !strstr(offer, ",,") && dropped.count == 0);
		free(offer);
	} else {
		must(err.code == ERR_CONFIG && err.msg[0]);
	}
	free(known);
	strv_fini(&dropped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *list;

	if (size == 0)
		return 0;
	list = strndup((const char *)data + 1, size - 1);
	must(list != NULL);
	try_list(data[0] % ALGORITHM_KIND_COUNT, list);
	free(list);
	return 0;
}
