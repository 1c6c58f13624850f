/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "lib/node.h"
#include "lib/util.h"
#include "lib/yaml.h"
#include "lib/yaml_emit.h"

/* JSON (with ' for ") and the text it becomes. */
static const struct {
	const char *json, *text;
} layouts[] = {
	{ "{'tunnels': {'db': {'host': 'me@h:2222', 'keepalive': {'interval': '30s', 'count': 3}, "
	  "'local': ['1:a:1', '2:b:2']}}}",
	  "tunnels:\n  db:\n    host: me@h:2222\n    keepalive: {interval: 30s, count: 3}\n"
	  "    local: ['1:a:1', '2:b:2']\n" },
	{ "{'a': ''}", "a: ''\n" },
	{ "{'a': '~'}", "a: '~'\n" },
	{ "{'a': 'Null'}", "a: 'Null'\n" },
	{ "{'a': {}}", "a: {}\n" },
	{ "{'a': {'b': {'c': [{'listen': '1', 'allow': ['any']}, 'x']}}}",
	  "a:\n  b:\n    c:\n    - {listen: 1, allow: [any]}\n    - x\n" },
};

static json_t *load(const char *text)
{
	CLEANUP(freep) char *copy = strdup(text);
	json_t *json;

	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	json = json_loads(copy, 0, NULL);
	assert_non_null(json);
	return json;
}

static void test_layout(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
		json_t *json = load(layouts[i].json);
		CLEANUP(freep) char *text = yaml_emit(json, NULL);

		assert_string_equal(text, layouts[i].text);
		json_decref(json);
	}
}

/* Whatever a text is, it is read back as that text. */
static const char *const texts[] = {
	"",
	"~",
	"null",
	"a: b",
	"a #b",
	"- a",
	"[a",
	"{a",
	"a,b",
	"'",
	"\"",
	"it's",
	"%h",
	"@x",
	"`x",
	"!x",
	"&x",
	"*x",
	"*:8080",
	"|",
	">",
	"?",
	": x",
	"x:",
	" x",
	"x ",
	"a\nb",
	"a\n",
	"\t",
	"a\tb",
	"\x01",
	"\x7f",
	"---",
	"...",
	"# x",
	"a\\b",
	"\xc3\xa4",
	"\xc2\x85",
	"\xe2\x80\xa8",
	"<<",
	"yes",
	"22:22",
	"\xef\xbb\xbfx",
	"a\r\nb",
	"\xf0\x9f\x98\x80",
	"=",
	"a  b",
	"\n\n",
};

static void check_same(const char *text, bool in_list)
{
	json_t *json =
		in_list ? json_pack("{s:[s,s]}", "k", text, text) : json_pack("{s:s}", "k", text);
	CLEANUP(freep) char *yaml = yaml_emit(json, NULL);
	struct err err = { 0 };
	CLEANUP(node_freep) struct node *root = NULL;
	const struct node *value;

	assert_non_null(yaml);
	root = yaml_parse(yaml, strlen(yaml), NULL, &err);
	if (!root)
		fail_msg("%s: %s", yaml, err.msg);
	value = node_find(root, "k");
	assert_non_null(value);
	value = in_list ? value->items[1] : value;
	assert_false(node_is_null(value));
	assert_string_equal(value->text, text);
	json_decref(json);
}

static void test_same(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		check_same(texts[i], false);
		check_same(texts[i], true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
