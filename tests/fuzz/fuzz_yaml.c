/* SPDX-License-Identifier: MIT */
/*
 * Any text is a tree within the limits, or an error that says where.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "lib/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct node *node, unsigned depth)
{
	if (depth > NODE_DEPTH_MAX || node->line == 0 || node->column == 0)
		abort();
	if ((node->kind == NODE_SCALAR) != (node->text != NULL))
		abort();
	if (node->kind == NODE_MAP && node->count % 2 != 0)
		abort();
	for (size_t i = 0; i < node->count; i++) {
		if (node->kind == NODE_MAP && i % 2 == 0 && node->items[i]->kind != NODE_SCALAR)
			abort();
		check(node->items[i], depth + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = { 0 };
	struct node *root = yaml_parse((const char *)data, size, "f", &err);

	if (root)
		check(root, 0);
	else if (err.msg[0] == '\0' || (err.at.line == 0 && err.code != ERR_NOMEM))
		abort();
	node_free(root);
	return 0;
}
