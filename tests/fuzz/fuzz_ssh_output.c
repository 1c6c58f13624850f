/* SPDX-License-Identifier: MIT */
/*
 * What `ssh -G` might print, compared with nothing, and what it might complain about: all of it becomes
 * keys that YAML carries, and notes of one line.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json_put.h"
#include "lib/ssh_keywords.h"
#include "lib/util.h"
#include "lib/yaml_emit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_put(void *data, const char *key, json_t *value)
{
	return json_put(data, key, value, NULL);
}

static int on_note(void *data, const char *text)
{
	if (strpbrk(text, "\n\r\x1b"))
		abort();
	return 0;
}

static void complain(const uint8_t *data, size_t size)
{
	CLEANUP(freep) char *text = strndup((const char *)data, size);
	CLEANUP(freep) char *path = NULL;
	struct err err;
	unsigned line;

	ssh_complaint(text, &path, &line, &err);
	if ((path == NULL) != (line == 0) || err.code != ERR_CONFIG)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ssh_names names = {
		.home = "/h", .host = "n", .hostname = "h", .is_output = true
	};
	static const struct ssh_output nothing;
	struct ssh_output output;
	json_t *keys = json_object();
	const struct ssh_sink sink = { on_put, on_note, keys };

	complain(data, size);
	if (ssh_output_parse((const char *)data, size, &output, NULL) == 0) {
		CLEANUP(freep) char *yaml = NULL;

		ssh_translate_output(&output, &nothing, NULL, &names, &sink);
		yaml = yaml_emit(keys, NULL);
		if (!yaml)
			abort();
		ssh_output_fini(&output);
	}
	json_decref(keys);
	return 0;
}
