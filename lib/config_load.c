/* SPDX-License-Identifier: MIT */
/*
 * Reads the main file and what it includes into trees that live as long as the reading, gathers
 * their parts, and lets config_build.c make sense of them. A mistake in one place never hides those
 * in others, except that a file which is not YAML at all has just that one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/config_ssh.h"
#include "lib/str.h"
#include "lib/util.h"
#include "lib/yaml.h"

/* A file that was opened. */
struct source {
	char *path; /* what nodes point to */
	struct config_file_id id;
	struct node *root;
	bool open; /* it, or something it includes, is being read */
};

struct loader {
	struct config_reading reading;
	struct source *sources; /* in the order of reading */
	size_t source_count;
	size_t bytes;
	struct strv exposed; /* paths of those others can read */
};

static void load_file(struct loader *l, const char *path, const struct node *from, unsigned depth);

/* A problem with a file: at the line that includes it, or, for the main file, with the file itself.
 */
static void complain_file(struct loader *l, const char *path, const struct node *from,
			  const char *what)
{
	const struct node main_file = { .file = path };

	if (from)
		config_complain(&l->reading.decoder, from, "include: %s: %s", path, what);
	else
		config_complain(&l->reading.decoder, &main_file, "%s", what);
}

static struct source *find_source(struct loader *l, const struct config_file_id *id)
{
	for (size_t i = 0; i < l->source_count; i++) {
		if (l->sources[i].id.device == id->device && l->sources[i].id.inode == id->inode)
			return &l->sources[i];
	}
	return NULL;
}

/* Reads path unless it was read before; *ret_text is NULL then, and when there is a problem. The
 * caller owns the text. */
static struct source *open_source(struct loader *l, const char *path, const struct node *from,
				  char **ret_text, size_t *ret_length)
{
	struct config_file_id id;
	struct source *source;
	struct err err;
	char *text;

	text = config_file_read(path, YAML_BYTES_MAX, ret_length, &id, &err);
	if (!text) {
		complain_file(l, path, from, err.msg);
		return NULL;
	}
	source = find_source(l, &id);
	if (source || l->source_count == CONFIG_FILES_MAX ||
	    l->bytes + *ret_length > CONFIG_BYTES_MAX) {
		if (source && source->open)
			complain_file(l, path, from, "this file includes itself");
		else if (!source)
			complain_file(l, path, from, "too many or too large files");
		free(text);
		return NULL;
	}
	l->bytes += *ret_length;
	source = &l->sources[l->source_count];
	*source = (struct source){ .path = strdup(path), .id = id, .open = true };
	if (!source->path || (id.exposed && strv_add(&l->exposed, path) < 0)) {
		complain_file(l, path, from, "out of memory");
		free(source->path);
		free(text);
		return NULL;
	}
	l->source_count++;
	*ret_text = text;
	return source;
}

static void include_pattern(struct loader *l, const struct node *pattern, unsigned depth)
{
	CLEANUP(freep) char *path = config_expand_path(&l->reading.decoder, pattern, pattern->text);
	struct strv matches = { 0 };
	struct err err;

	if (!path)
		return;
	if (config_file_match(path, &matches, &err) < 0)
		complain_file(l, path, pattern, err.msg);
	for (size_t i = 0; i < matches.count; i++)
		load_file(l, matches.items[i], pattern, depth + 1);
	strv_fini(&matches);
}

/* Keys that each file may have are forgotten, those that may stand only once in all are not. */
static void forget_repeats(struct config_reading *r)
{
	for (size_t i = 0; i < schema_key_count; i++) {
		if (schema_keys[i].repeats)
			r->seen[i] = NULL;
	}
}

static void read_root(struct loader *l, const struct node *root, unsigned depth)
{
	struct config_reading *r = &l->reading;
	struct config_patterns patterns;

	if (root->kind != NODE_MAP && !node_is_null(root)) {
		config_complain(&r->decoder, root,
				"a configuration is a mapping with keys like 'tunnels:', not %s",
				node_kind_name(root->kind));
		return;
	}
	forget_repeats(r);
	config_decode(&r->decoder, PLACE_TOP, root, r, r->seen);
	if (!r->defaults_map)
		r->defaults_map = node_find(root, "defaults");
	patterns = r->patterns;
	r->patterns = (struct config_patterns){ 0 };
	for (size_t i = 0; i < patterns.count; i++)
		include_pattern(l, patterns.items[i], depth);
	free(patterns.items);
}

static void load_file(struct loader *l, const char *path, const struct node *from, unsigned depth)
{
	CLEANUP(freep) char *text = NULL;
	struct source *source;
	struct err err = { 0 };
	size_t length;

	if (depth > CONFIG_INCLUDE_DEPTH_MAX) {
		complain_file(l, path, from, "included files are nested too deeply");
		return;
	}
	source = open_source(l, path, from, &text, &length);
	if (!source)
		return;
	source->root = yaml_parse(text, length, source->path, &err);
	free(TAKE(text));
	if (source->root)
		read_root(l, source->root, depth);
	else
		problem_add_err(l->reading.decoder.problems, &err);
	source->open = false;
}

/* One complaint about a file that is not there, not one a host. */
static void check_ssh_config(struct config_reading *r)
{
	const struct node *at = r->seen[schema_index(schema_find(PLACE_TOP, "ssh_config"))];

	if (r->ssh_config && *r->ssh_config == '/' && access(r->ssh_config, R_OK) < 0) {
		config_complain(&r->decoder, at, "ssh_config: cannot read '%.256s': %s",
				r->ssh_config, strerror(errno));
		strcpy(r->ssh_config, "no");
	}
}

/* What is to be known about ssh's own configuration goes with ours. */
static void tell_ssh_config(struct config *config, struct config_decoder *d)
{
	struct config_ssh *ssh = config->base->ssh;
	const char *unread = config_ssh_unread(ssh);

	if (unread)
		config->unread = strdup(unread);
	config->notes = config_ssh_take_notes(ssh);
	if (unread && !config->unread)
		config_complain(d, NULL, "out of memory");
}

/* Makes sense of what was read. */
static struct config *build(struct config_reading *r, const struct config_context *context)
{
	struct config *config = calloc(1, sizeof(*config));

	check_ssh_config(r);
	if (config)
		config->base = config_base_new(context, &r->decoder, r->ssh_config);
	if (!config || !config->base) {
		config_complain(&r->decoder, NULL, "out of memory");
		config_free(config);
		return NULL;
	}
	config->daemon = r->daemon;
	config_build_hosts(config->base, r);
	config_build_tunnels(config, r);
	tell_ssh_config(config, &r->decoder);
	return config;
}

static void loader_fini(struct loader *l)
{
	for (size_t i = 0; i < l->source_count; i++) {
		node_free(l->sources[i].root);
		free(l->sources[i].path);
	}
	free(l->sources);
	strv_fini(&l->exposed);
	config_layer_fini(&l->reading.defaults);
	free(l->reading.ssh_config);
	free(l->reading.hosts.items);
	free(l->reading.tunnels.items);
	free(l->reading.patterns.items);
}

/* Puts the problems into the order of the text. */
static void finish_problems(struct loader *l, struct problem_sink *sink)
{
	const char *files[CONFIG_FILES_MAX];

	for (size_t i = 0; i < l->source_count; i++)
		files[i] = l->sources[i].path;
	problem_finish(sink, files, l->source_count);
}

/* path, or the current directory before it. NULL: no memory. */
static char *absolute(const char *path)
{
	CLEANUP(freep) char *directory = NULL;

	if (*path == '/')
		return strdup(path);
	while (strncmp(path, "./", 2) == 0)
		path += 2;
	directory = getcwd(NULL, 0);
	return str_printf("%s/%s", directory && strcmp(directory, "/") ? directory : "", path);
}

struct config *config_load(const char *path, const struct config_context *context,
			   struct config_problems *problems)
{
	struct problem_sink sink = { .to = problems };
	struct loader l = { .reading.decoder = { .problems = &sink, .home = context->home } };
	CLEANUP(freep) char *main_path = path ? absolute(path) : NULL;
	struct config *config = NULL;

	*problems = (struct config_problems){ 0 };
	l.reading.decoder.exposed = &l.exposed;
	l.sources = calloc(CONFIG_FILES_MAX, sizeof(*l.sources));
	if ((path && !main_path) || !l.sources) {
		problem_add(&sink, NULL, "out of memory");
	} else {
		config_decode_fallbacks(&l.reading.decoder, PLACE_DAEMON, context->system,
					&l.reading.daemon);
		if (main_path)
			load_file(&l, main_path, NULL, 0);
		config = build(&l.reading, context);
	}
	finish_problems(&l, &sink);
	loader_fini(&l);
	if (problem_count(&sink) == 0)
		return config;
	config_free(config);
	return NULL;
}

struct config_tunnel *config_make_tunnel(const struct config *config, const char *name,
					 const struct node *tree, struct strv *ret_notes,
					 struct config_problems *problems)
{
	struct problem_sink sink = { .to = problems };
	struct config_decoder d = { .problems = &sink };
	struct node name_node = { .text = (char *)name };
	struct config_tunnel *tunnel = NULL;
	size_t bytes;

	*problems = (struct config_problems){ 0 };
	if (!config_name_is_valid(name))
		problem_add(&sink, NULL,
			    "'%.64s' is not a name; use up to %d letters, digits, '.', '_' and '-'",
			    name, CONFIG_NAME_MAX);
	else if (config_find(config, name))
		problem_add(&sink, NULL, "a tunnel named '%s' exists already", name);
	else if (tree->kind != NODE_MAP)
		problem_add(&sink, NULL, "a tunnel is a mapping of keys, not %s",
			    node_kind_name(tree->kind));
	else if (!config->base)
		problem_add(&sink, NULL, "this configuration was not loaded from a file");
	if (problem_count(&sink) > 0)
		return NULL;
	d.home = config->base->home;
	bytes = config->base->bytes;
	tunnel = config_build_tunnel(config->base, &d, &name_node, tree);
	config->base->bytes = bytes; /* who adds and removes for years must not use it up */
	*ret_notes = config_ssh_take_notes(config->base->ssh);
	if (tunnel)
		config_listens_check_one(config, tunnel, 0, &d);
	problem_finish(&sink, NULL, 0);
	if (tunnel && problem_count(&sink) > 0)
		config_tunnel_free(TAKE(tunnel));
	return tunnel;
}

/* As many as one reading may have. */
static int add_notes(struct config *config, const struct strv *notes)
{
	for (size_t i = 0; i < notes->count && config->notes.count < CONFIG_NOTES_MAX; i++) {
		const char *note = notes->items[i];

		if (!strv_contains(&config->notes, note) && strv_add(&config->notes, note) < 0)
			return -1;
	}
	return 0;
}

struct config_tunnel *config_add_tunnel(struct config *config, const char *name,
					const struct node *tree, struct config_problems *problems)
{
	struct strv notes = { 0 };
	struct config_tunnel *tunnel = config_make_tunnel(config, name, tree, &notes, problems);
	struct problem_sink sink = { .to = problems };

	if (tunnel && (add_notes(config, &notes) < 0 || config_insert(config, tunnel) < 0)) {
		config_tunnel_free(TAKE(tunnel));
		problem_add(&sink, NULL, "out of memory");
	}
	strv_fini(&notes);
	return tunnel;
}
