/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/node.h"
#include "lib/util.h"

static struct node *from_text(const char *text, struct err *err)
{
	json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	struct node *node;

	assert_non_null(json);
	node = node_from_json(json, err);
	json_decref(json);
	return node;
}

static void test_json_becomes_the_same_tree(void **state)
{
	struct node *node =
		from_text("{\"a\": \"x\", \"b\": [1, 2.5, true, false, null, {}]}", NULL);
	static const char *const items[] = { "1", "2.5", "true", "false", "null" };
	const struct node *list;

	assert_int_equal(node->kind, NODE_MAP);
	assert_int_equal(node_map_count(node), 2);
	assert_string_equal(node_find(node, "a")->text, "x");
	assert_true(node_find(node, "a")->quoted);
	list = node_find(node, "b");
	assert_int_equal(list->kind, NODE_LIST);
	assert_int_equal(list->count, 6);
	for (size_t i = 0; i < ARRAY_SIZE(items); i++)
		assert_string_equal(list->items[i]->text, items[i]);
	assert_true(node_is_null(list->items[4]));
	assert_int_equal(list->items[5]->kind, NODE_MAP);
	assert_int_equal(list->line, 0);
	assert_null(list->file);
	assert_null(node_find(node, "c"));
	assert_null(node_find(list, "a"));
	node_free(node);
}

static void test_null_is_not_the_text_null(void **state)
{
	struct node *node = from_text("\"null\"", NULL);

	assert_false(node_is_null(node));
	node_free(node);
	node = from_text("\"\"", NULL);
	assert_false(node_is_null(node));
	node_free(node);
}

static void test_depth(void **state)
{
	char text[2 * (NODE_DEPTH_MAX + 1) + 1];
	struct err err = { 0 };
	struct node *node;

	for (unsigned depth = NODE_DEPTH_MAX; depth <= NODE_DEPTH_MAX + 1; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		text[2 * depth] = '\0';
		node = from_text(text, &err);
		assert_int_equal(node != NULL, depth == NODE_DEPTH_MAX);
		node_free(node);
	}
	assert_non_null(strstr(err.msg, "nested deeper than 32 levels"));
}

static void test_count(void **state)
{
	json_t *json = json_array();
	struct err err = { 0 };

	for (int i = 0; i < NODE_COUNT_MAX; i++)
		json_array_append_new(json, json_null());
	assert_null(node_from_json(json, &err));
	assert_non_null(strstr(err.msg, "more than 400000 values"));
	json_decref(json);
}

static void test_nul_in_a_text_is_refused(void **state)
{
	struct err err = { 0 };

	assert_null(from_text("[\"a\\u0000b\"]", &err));
	assert_non_null(strstr(err.msg, "NUL"));
}

static void test_copy_is_paid_from_a_budget(void **state)
{
	struct node *node = from_text("{\"a\": [\"x\", \"y\"]}", NULL), *copy;
	size_t budget = 100000, cost;

	copy = node_copy(node, &budget);
	assert_non_null(copy);
	assert_string_equal(node_find(copy, "a")->items[1]->text, "y");
	assert_ptr_not_equal(node_find(copy, "a"), node_find(node, "a"));
	node_free(copy);
	cost = 100000 - budget;
	assert_true(cost > 0 && cost < 1000);
	budget = cost;
	assert_null(node_copy(node, &budget));
	assert_int_equal(budget, 0);
	budget = cost + 1;
	copy = node_copy(node, &budget);
	assert_non_null(copy);
	node_free(copy);
	node_free(node);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_becomes_the_same_tree),
		cmocka_unit_test(test_null_is_not_the_text_null),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_nul_in_a_text_is_refused),
		cmocka_unit_test(test_copy_is_paid_from_a_budget),
	};

	return cmocka_run_group_tests_name("node", tests, NULL, NULL);
}
