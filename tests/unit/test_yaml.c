/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/str.h"
#include "lib/util.h"
#include "lib/yaml.h"

/* Longer than any reading may take, with sanitizers and on a slow machine; quadratic ones take
 * minutes. */
enum { PATIENCE_MS = 10000 };

static struct node *parse(const char *text, struct err *err)
{
	*err = (struct err){ 0 };
	return yaml_parse(text, strlen(text), "test.yaml", err);
}

static void test_tree_knows_its_places(void **state)
{
	struct err err;
	struct node *root = parse("a: 1\n"
				  "list:\n"
				  "  - x\n"
				  "  - 'quoted'\n"
				  "flow: { k: [ \"v\" ] }\n",
				  &err);
	const struct node *list, *value;

	assert_non_null(root);
	assert_int_equal(root->kind, NODE_MAP);
	assert_int_equal(node_map_count(root), 3);
	list = node_find(root, "list");
	assert_int_equal(list->kind, NODE_LIST);
	assert_int_equal(list->items[1]->line, 4);
	assert_int_equal(list->items[1]->column, 5);
	assert_true(list->items[1]->quoted);
	assert_false(list->items[0]->quoted);
	value = node_find(node_find(root, "flow"), "k")->items[0];
	assert_string_equal(value->text, "v");
	assert_string_equal(value->file, "test.yaml");
	assert_int_equal(value->line, 5);
	assert_int_equal(value->column, 14);
	node_free(root);
}

static void test_nothing_is_null(void **state)
{
	static const char *const texts[] = { "",           "\n\n", "# comment\n", "---\n",
					     "---\n...\n", "~",    "null",        "\xef\xbb\xbf" };
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct node *root = parse(texts[i], &err);

		assert_non_null(root);
		assert_true(node_is_null(root));
		node_free(root);
	}
}

static void test_aliases_are_copies(void **state)
{
	struct err err;
	struct node *root = parse("a: &x { k: v }\nb: *x\nc: &x z\nd: *x\n", &err);

	assert_non_null(root);
	assert_string_equal(node_find(node_find(root, "b"), "k")->text, "v");
	assert_int_equal(node_find(root, "b")->line, 1);
	assert_string_equal(node_find(root, "d")->text, "z");
	node_free(root);
}

static void test_json_is_yaml(void **state)
{
	struct err err;
	struct node *root = parse("{\"a\":1,\n\t\"b\":[\"x\",null,\"\\u00fc\\/\"]}\n", &err);

	assert_non_null(root);
	assert_string_equal(node_find(root, "a")->text, "1");
	assert_string_equal(node_find(root, "b")->items[2]->text, "\xc3\xbc/");
	node_free(root);
}

static const struct {
	const char *text;
	unsigned line, column;
	const char *says;
} bad[] = {
	{ "a:\n\tb: 1\n", 2, 1, "a tab stands where YAML wants spaces" },
	{ "a: 1\n  b: 2\n", 2, 4, "a ':' is not expected here: check the indentation" },
	{ "a:\n  b: 1\n c: 2\n", 3, 2, "does not fit what surrounds it: check its indentation" },
	{ "a:\n - 1\n b: 2\n", 3, 2, "does not fit the list around it" },
	{ "a: 1\nb\nc: 2\n", 3, 1, "a key without a ':'" },
	{ "a: [1, 2\nb: 3\n", 2, 2, "a ',' or ']' is missing" },
	{ "a: [::1]:22\n", 1, 5, "a value that begins with '[' or '{' needs quotes" },
	{ "a: {b: 1\n", 2, 1, "a ',' or '}' is missing" },
	{ "a: 'x\n", 2, 1, "a quote is opened but never closed (it began in line 1)" },
	{ "a: \"x\n---\n", 2, 1, "a quote is opened but never closed" },
	{ "a: *:80:h:1\n", 1, 5, "a value that begins with '*' or '&' needs quotes" },
	{ "a: @x\n", 1, 4, "a value that begins with '@' needs quotes" },
	{ "a: `x`\n", 1, 4, "a value that begins with '`' needs quotes" },
	{ "a: %x\n", 1, 4, "a value that begins with '%' needs quotes" },
	{ "a: \"\\q\"\n", 1, 5, "unknown escape in double quotes" },
	{ "a: - b\n", 1, 4, "a list cannot begin here" },
	{ "{\"a\": 1}}\n", 1, 9, "is there a bracket too many" },
	{ "a: 1\n---\nb: 2\n", 2, 1, "a second document begins here" },
	{ "{a: 1}: b\n", 1, 1, "" },
	{ "? [a]\n: b\n", 1, 3, "a key must be a word" },
	{ "x: &a [1]\n*a : b\n", 2, 1, "a key must be a word, not a list" },
	{ "x: &a {b: c}\ny:\n  <<: *a\n", 3, 3, "merge keys (<<) are not supported" },
	{ "a: *nope\n", 1, 4, "nothing above is named '&nope'" },
	{ "a: &a [*a]\n", 1, 8, "nothing above is named '&a'" },
	{ "a: !include b.yaml\n", 1, 4, "tags are not supported: '!include'" },
	{ "a: \"x\\0y\"\n", 1, 4, "cannot contain a NUL" },
	{ "a: 1\nb: gr\xfc\xdf\n", 2, 6, "not valid UTF-8 (byte 0xfc)" },
	{ "\xc3\xbc: \xff\n", 1, 4, "not valid UTF-8 (byte 0xff)" },
	{ "\xff\xfe"
	  "a",
	  1, 1, "not valid UTF-8" },
	{ "a: \x1b[31m\n", 1, 4, "a control character (0x1b)" },
	{ "a: \xef\xbf\xbe\n", 1, 0, "not valid YAML: control characters are not allowed" },
	{ "%A\n%B\n%C\n%D\n%E\n", 5, 1, "too many lines that begin with '%'" },
	{ "%YAML 7.1\n---\na: 1\n", 1, 1, "a version of YAML that is not 1.x" },
};

static void test_mistakes_say_where_and_what(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err;

		assert_null(parse(bad[i].text, &err));
		if (!strstr(err.msg, bad[i].says) || err.at.line != bad[i].line ||
		    (bad[i].column && err.at.column != bad[i].column))
			fail_msg("%s => %u:%u: %s", bad[i].text, err.at.line, err.at.column,
				 err.msg);
		assert_string_equal(err.at.file, "test.yaml");
	}
}

static void test_nul_byte(void **state)
{
	struct err err;

	assert_null(yaml_parse("a: 1\n\0\0", 7, "f", &err));
	assert_non_null(strstr(err.msg, "a NUL character"));
	assert_int_equal(err.at.line, 2);
	assert_int_equal(err.at.column, 1);
}

static void test_nobody_wants_to_know(void **state)
{
	assert_null(yaml_parse("a: [", 4, NULL, NULL));
	assert_null(yaml_parse("a: *x", 5, NULL, NULL));
	assert_null(yaml_parse("\xff", 1, NULL, NULL));
}

static void test_depth(void **state)
{
	char text[2 * NODE_DEPTH_MAX + 3];
	struct err err;

	for (unsigned depth = NODE_DEPTH_MAX; depth <= NODE_DEPTH_MAX + 1; depth++) {
		struct node *root;

		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		text[2 * depth] = '\0';
		root = parse(text, &err);
		assert_int_equal(root != NULL, depth == NODE_DEPTH_MAX);
		node_free(root);
	}
	assert_non_null(strstr(err.msg, "nested deeper than 32 levels"));
	assert_int_equal(err.at.column, NODE_DEPTH_MAX + 1);
}

static void test_size(void **state)
{
	char *text = malloc(YAML_BYTES_MAX + 1);
	struct node *root;
	struct err err;

	assert_non_null(text);
	memset(text, '#', YAML_BYTES_MAX + 1);
	root = yaml_parse(text, YAML_BYTES_MAX, "f", &err);
	assert_non_null(root);
	node_free(root);
	assert_null(yaml_parse(text, YAML_BYTES_MAX + 1, "f", &err));
	assert_non_null(strstr(err.msg, "larger than 1024 KiB"));
	free(text);
}

/* Pieces that, repeated up to the limit, have made YAML readers slow or large. */
static const struct {
	const char *start, *piece, *end;
	bool good;
} hostile[] = {
	{ "", "[", "", false },
	{ "", "{", "", false },
	{ "", "- ", "", false },
	{ "", "? ", "", false },
	{ "", "a: ", "", false },
	{ "[", "a,", "]", false }, /* more than NODE_COUNT_MAX */
	{ "{", "a,", "}", false },
	{ "[", "[],", "]", true },
	{ "[", "{a: b},", "]", false },
	{ "[", "? a,", "]", false },
	{ "", "k: v\n", "", false },
	{ "", "k: &a v\n", "", true },
	{ "", "%TAG !a! x\n", "", false },
	{ "", "# comment\n", "", true },
	{ "", "a\n", "", true },
	{ "a: |\n", " x\n", "", true },
	{ "a: >\n", " x\n\n", "", true },
	{ "a: \"", "\\u0041", "\"", true },
	{ "a: '", "''", "'", true },
	{ "a: &a x\nb: [", "*a,", "]", false },
	{ "a: ", "\xff", "", false },
	{ "&", "a", " x", true },
	{ "!<", "a", "", false },
};

static void test_hostile_texts_are_read_or_refused_fast(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		struct strbuf text = { 0 };
		uint64_t start = monotonic_ms();
		struct node *root;
		struct err err;

		strbuf_add(&text, hostile[i].start);
		while (text.length < YAML_BYTES_MAX - 16)
			strbuf_add(&text, hostile[i].piece);
		strbuf_add(&text, hostile[i].end);
		root = yaml_parse(text.data, text.length, "f", &err);
		if ((root != NULL) != hostile[i].good)
			fail_msg("'%s': %s", hostile[i].piece, root ? "accepted" : err.msg);
		assert_in_range(monotonic_ms() - start, 0, PATIENCE_MS);
		node_free(root);
		strbuf_fini(&text);
	}
}

static void test_alias_bomb(void **state)
{
	struct strbuf text = { 0 };
	struct err err;

	strbuf_add(&text, "a: &a [x,x,x,x,x,x,x,x,x,x]\n");
	for (char c = 'b'; c <= 'j'; c++)
		strbuf_addf(&text, "%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c,
			    c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1);
	assert_null(yaml_parse(text.data, text.length, "f", &err));
	assert_non_null(strstr(err.msg, "multiply to more than 4 MiB"));
	strbuf_fini(&text);
}

static void test_anchors_are_counted(void **state)
{
	struct strbuf text = { 0 };
	struct err err;

	for (int i = 0; i <= 1000; i++)
		strbuf_addf(&text, "- &a%d x\n", i);
	assert_null(yaml_parse(text.data, text.length, "f", &err));
	assert_non_null(strstr(err.msg, "more than 1000 anchors"));
	assert_int_equal(err.at.line, 1001);
	strbuf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree_knows_its_places),
		cmocka_unit_test(test_nothing_is_null),
		cmocka_unit_test(test_aliases_are_copies),
		cmocka_unit_test(test_json_is_yaml),
		cmocka_unit_test(test_mistakes_say_where_and_what),
		cmocka_unit_test(test_nul_byte),
		cmocka_unit_test(test_nobody_wants_to_know),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_hostile_texts_are_read_or_refused_fast),
		cmocka_unit_test(test_alias_bomb),
		cmocka_unit_test(test_anchors_are_counted),
	};

	return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
