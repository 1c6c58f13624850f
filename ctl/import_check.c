/* SPDX-License-Identifier: MIT */
/*
 * The configuration's own decoder is asked about every value by itself: what it refuses would keep the
 * whole file from being read.
 */
#include <string.h>

#include "ctl/import.h"
#include "lib/config.h"
#include "lib/node.h"
#include "lib/str.h"
#include "lib/yaml.h"
#include "lib/yaml_emit.h"

#define PROBE "probe"

static const char *const forward_keys[] = { "local", "remote", "dynamic" };

static bool is_forward_key(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(forward_keys); i++) {
		if (strcmp(forward_keys[i], key) == 0)
			return true;
	}
	return false;
}

/* As from a file: there a command may be a line for the shell. NULL with err. */
static struct node *as_written(const json_t *tunnel, struct err *err)
{
	CLEANUP(freep) char *text = yaml_emit(tunnel, err);

	return text ? yaml_parse(text, strlen(text), PROBE, err) : NULL;
}

/* What is wrong with tunnel, in err; 0: nothing. */
static int refusal(const json_t *tunnel, struct err *err)
{
	static const struct config_context context = { .home = "/home/" PROBE, .user = PROBE };
	struct config_problems problems = { 0 };
	struct config *config = config_load(NULL, &context, &problems);
	CLEANUP(node_freep) struct node *tree = config ? as_written(tunnel, err) : NULL;
	int rc = tree ? 0 : -1;

	if (!config)
		err_nomem(err);
	if (tree && !config_add_tunnel(config, PROBE, tree, &problems))
		rc = err_set(err, ERR_CONFIG, "%s",
			     problems.count ? problems.items[0].message : "out of memory");
	config_problems_fini(&problems);
	config_free(config);
	return rc;
}

/* The same for one key of it. */
static int value_refusal(const char *key, json_t *value, struct err *err)
{
	json_t *probe = json_pack("{s:s, s:O}", "host", PROBE, key, value);
	int rc;

	if (probe && !is_forward_key(key))
		json_object_set_new(probe, "dynamic", json_string("1080"));
	rc = probe ? refusal(probe, err) : err_nomem(err);
	json_decref(probe);
	return rc;
}

static int explain(struct strv *comments, const char *key, const json_t *value,
		   const struct err *err, struct failure *f)
{
	CLEANUP(freep) char *text = json_dumps(value, JSON_ENCODE_ANY);
	CLEANUP(freep) char *line = str_printf("%s: %s: %s", key, text ? text : "", err->msg);

	return line && strv_add(comments, line) == 0 ? 0 : failure_nomem(f);
}

/* Leaves out the items of a list that are refused. */
static int check_items(const char *key, json_t *list, struct strv *comments, struct failure *f)
{
	struct err err;

	for (size_t i = 0; i < json_array_size(list);) {
		json_t *item = json_array_get(list, i);

		if (value_refusal(key, item, &err) == 0) {
			i++;
			continue;
		}
		if (explain(comments, key, item, &err, f) < 0)
			return -1;
		json_array_remove(list, i);
	}
	return 0;
}

/* Whether the key can stay. -1 with f filled. */
static int check_key(const char *key, json_t *value, struct strv *comments, struct failure *f)
{
	struct err err;

	if (is_forward_key(key) && json_is_array(value)) {
		if (check_items(key, value, comments, f) < 0)
			return -1;
		return json_array_size(value) > 0;
	}
	if (value_refusal(key, value, &err) == 0)
		return 1;
	return explain(comments, key, value, &err, f);
}

static int check_keys(json_t *entry, struct strv *comments, struct failure *f)
{
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe (entry, next, key, value) {
		int rc;

		if (strcmp(key, "host") == 0 || strcmp(key, "address") == 0)
			continue;
		rc = check_key(key, value, comments, f);
		if (rc < 0)
			return -1;
		if (rc == 0)
			json_object_del(entry, key);
	}
	return 0;
}

/* A list of one is as good as its item. */
static void simplify(json_t *entry)
{
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe (entry, next, key, value) {
		if (json_is_array(value) && json_array_size(value) == 1)
			json_object_set(entry, key, json_array_get(value, 0));
	}
}

int import_check(json_t *tunnel, struct strv *comments, struct failure *f)
{
	size_t before = comments->count;
	struct err err;

	if (check_keys(tunnel, comments, f) < 0)
		return -1;
	simplify(tunnel);
	if (refusal(tunnel, &err) == 0)
		return 0;
	/* What is missing now may be what was left out just before. */
	return failure_set(f, EXIT_FAILED, ERR_CONFIG, "%s",
			   comments->count > before ? comments->items[before] : err.msg);
}

int import_check_host(json_t *host, struct strv *comments, struct failure *f)
{
	json_t *address = json_object_get(host, "address"), *probe;
	struct err err;
	int rc;

	if (check_keys(host, comments, f) < 0)
		return -1;
	simplify(host);
	probe = json_pack("{s:O, s:s}", "host", address, "dynamic", "1080");
	rc = probe ? refusal(probe, &err) : err_nomem(&err);
	json_decref(probe);
	return rc < 0 ? failure_set(f, EXIT_FAILED, ERR_CONFIG, "%s", err.msg) : 0;
}
