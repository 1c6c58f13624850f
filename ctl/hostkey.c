/* SPDX-License-Identifier: MIT */
/*
 * `tunctl hostkey`: what the servers of a tunnel say who they are, and a person's word that it is
 * true.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/describe.h"
#include "ctl/sheet.h"
#include "ctl/wait.h"
#include "lib/util.h"

/* ---- show ---- */

/* What `standing` means, with the file where one is named. */
static const struct {
	const char *standing, *text;
	enum style style;
} standings[] = {
	{ "known", "known", STYLE_GREEN },
	{ "pinned", "pinned by host_key", STYLE_GREEN },
	{ "unknown", "not known", STYLE_YELLOW },
	{ "other-types", "not known; keys of other types are", STYLE_YELLOW },
	{ "changed", "CHANGED", STYLE_RED },
	{ "not-pinned", "none of those host_key pins", STYLE_RED },
	{ "revoked", "REVOKED", STYLE_RED },
};

static void add_standing(struct sheet *s, const json_t *key)
{
	const char *standing = get_text(key, "standing"), *file = get_text(key, "file");
	const char *other = get_text(key, "known_fingerprint");
	struct strbuf text = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(standings); i++) {
		if (strcmp(standings[i].standing, standing) == 0)
			strbuf_addf(&text, "%s%s%s", term_begin(s->term, standings[i].style),
				    standings[i].text, term_end(s->term, standings[i].style));
	}
	if (!text.length)
		strbuf_add(&text, standing);
	if (*file)
		strbuf_addf(&text, " (%s:%u%s%s%s%s)", file, (unsigned)get_count(key, "line"),
			    *other ? " has " : "", *other ? get_text(key, "known_type") : "",
			    *other ? " " : "", other);
	sheet_row_taken(s, "standing", &text);
}

static void add_key(struct sheet *s, const json_t *key)
{
	strbuf_addf(&s->text, "%s%s%s\n", term_begin(s->term, STYLE_BOLD), get_text(key, "host"),
		    term_end(s->term, STYLE_BOLD));
	sheet_row(s, "type", get_text(key, "type"));
	sheet_row(s, "fingerprint", get_text(key, "fingerprint"));
	add_standing(s, key);
}

static void print_keys(const struct ctl *ctl, const json_t *keys)
{
	struct sheet s = { .term = &ctl->out };
	json_t *key;
	size_t i;

	if (json_array_size(keys) == 0)
		puts("no server has shown a key yet");
	json_array_foreach (keys, i, key)
		add_key(&s, key);
	sheet_print(&s);
}

static int show(struct ctl *ctl, const char *name, struct failure *f)
{
	json_t *parameters = json_pack("{s:s}", "name", name), *keys;

	if (!parameters)
		return failure_set(f, EXIT_USAGE, ERR_USAGE, "a name is not valid UTF-8");
	keys = ctl_call_items(ctl, MANAGER_METHOD("HostKeys"), parameters, "host_keys", false, f);
	if (!keys)
		return -1;
	if (ctl->json)
		ctl_print_json(ctl, keys);
	else
		print_keys(ctl, keys);
	json_decref(keys);
	return EXIT_OK;
}

/* ---- accept ---- */

static void print_accepted(const json_t *accepted)
{
	json_t *key;
	size_t i;

	json_array_foreach (accepted, i, key) {
		const char *file = get_text(key, "file");

		printf("%s: %s %s %s%s\n", get_text(key, "host"), get_text(key, "type"),
		       get_text(key, "fingerprint"), *file ? "written to " : "was known already",
		       file);
	}
}

static int accept_key(struct ctl *ctl, const char *name, struct failure *f)
{
	const char *fingerprint = args_value(&ctl->args, OPTION_FINGERPRINT);
	json_t *parameters, *accepted, *names;

	if (!fingerprint || strncmp(fingerprint, "SHA256:", strlen("SHA256:")) != 0)
		return failure_set(f, EXIT_USAGE, ERR_USAGE,
				   "'accept' needs the fingerprint that was compared: "
				   "--fingerprint SHA256:...");
	parameters = json_pack("{s:s, s:s}", "name", name, "fingerprint", fingerprint);
	names = json_pack("[s]", name);
	if (!parameters || !names) {
		json_decref(parameters);
		json_decref(names);
		return failure_set(f, EXIT_USAGE, ERR_USAGE, "a name is not valid UTF-8");
	}
	accepted = ctl_call_items(ctl, MANAGER_METHOD("HostKeyAccept"), parameters, "accepted",
				  false, f);
	if (!accepted) {
		json_decref(names);
		return -1;
	}
	if (!ctl->json)
		print_accepted(accepted);
	json_decref(accepted);
	return wait_for_tunnels(ctl, MANAGER_METHOD("Up"), names, f);
}

int run_hostkey(struct ctl *ctl, struct failure *f)
{
	const char *word = ctl->args.operands[0], *name = ctl->args.operands[1];

	if (strcmp(word, "show") == 0)
		return show(ctl, name, f);
	if (strcmp(word, "accept") == 0)
		return accept_key(ctl, name, f);
	return failure_set(f, EXIT_USAGE, ERR_USAGE,
			   "'%s' is neither 'show' nor 'accept': tunctl hostkey show NAME", word);
}
