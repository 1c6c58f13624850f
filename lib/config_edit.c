/* SPDX-License-Identifier: MIT */
/*
 * Forwards that come and go while a tunnel runs. Nothing is changed in place: the caller gets a copy
 * of the tunnel with the difference in it, and puts it into the configuration when it is sure.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/config_read.h"
#include "lib/str.h"
#include "lib/util.h"

/* ---- copies ---- */

/* A copy of a text that may be NULL; *good becomes false without memory. */
static char *copy_text(const char *text, bool *good)
{
	char *copy = text ? strdup(text) : NULL;

	*good = *good && (copy || !text);
	return copy;
}

static struct strv copy_texts(const struct strv *from, bool *good)
{
	struct strv copy = { 0 };

	*good = strv_copy(&copy, from) == 0 && *good;
	return copy;
}

static struct config_forward copy_forward(const struct config_forward *from, bool *good)
{
	struct config_forward copy = *from;

	copy.name = copy_text(from->name, good);
	copy.listen.host = copy_text(from->listen.host, good);
	copy.target.host = copy_text(from->target.host, good);
	copy.allow = copy_texts(&from->allow, good);
	copy.user = copy_text(from->user, good);
	copy.password = copy_text(from->password, good);
	copy.socket_group = copy_text(from->socket_group, good);
	return copy;
}

static bool copy_routes(struct config_tunnel *copy, const struct config_tunnel *from)
{
	copy->route_count = 0;
	copy->routes = calloc(from->route_count, sizeof(*copy->routes));
	if (!copy->routes)
		return false;
	for (; copy->route_count < from->route_count; copy->route_count++) {
		if (config_route_copy(&copy->routes[copy->route_count],
				      &from->routes[copy->route_count]) < 0)
			return false;
	}
	return true;
}

/* NULL: no memory. */
static struct config_tunnel *copy_tunnel(const struct config_tunnel *from)
{
	struct config_tunnel *copy = calloc(1, sizeof(*copy));
	bool good = true;

	if (!copy)
		return NULL;
	*copy = *from;
	copy->name = copy_text(from->name, &good);
	copy->host = copy_text(from->host, &good);
	copy->source = copy_text(from->source, &good);
	good = copy_routes(copy, from) && good;
	copy->tags = copy_texts(&from->tags, &good);
	copy->forwards = calloc(MAX(from->forward_count, (size_t)1), sizeof(*copy->forwards));
	copy->forward_count = copy->forwards ? from->forward_count : 0;
	for (size_t i = 0; i < copy->forward_count; i++)
		copy->forwards[i] = copy_forward(&from->forwards[i], &good);
	if (good && copy->forwards)
		return copy;
	config_tunnel_free(copy);
	return NULL;
}

/* ---- with ---- */

/* Moves what was read behind the forwards of tunnel; -1: no memory. */
static int append(struct config_tunnel *tunnel, struct config_forwards *forwards)
{
	size_t count = tunnel->forward_count + forwards->count;
	struct config_forward *items = realloc(tunnel->forwards, count * sizeof(*items));

	if (!items)
		return -1;
	tunnel->forwards = items;
	for (size_t i = 0; i < forwards->count; i++) {
		items[tunnel->forward_count] = forwards->items[i];
		items[tunnel->forward_count++].added = true;
	}
	forwards->count = 0;
	return 0;
}

static void add_forwards(const struct config *config, struct config_tunnel *tunnel,
			 struct config_forwards *forwards, struct config_decoder *d)
{
	size_t first = tunnel->forward_count;

	if (first + forwards->count > CONFIG_FORWARDS_MAX)
		config_complain(d, NULL, "tunnel '%s' has %zu forwards; it can have %d",
				tunnel->name, first, CONFIG_FORWARDS_MAX);
	else if (append(tunnel, forwards) < 0 ||
		 config_name_forwards(d, tunnel->forwards, tunnel->forward_count, NULL) < 0)
		config_complain(d, NULL, "out of memory");
	else
		config_listens_check_one(config, tunnel, first, d);
}

struct config_tunnel *config_with_forwards(const struct config *config,
					   const struct config_tunnel *tunnel,
					   const struct node *tree,
					   struct config_problems *problems)
{
	struct problem_sink sink = { .to = problems };
	struct config_decoder d = {
		.problems = &sink,
		.home = config->base ? config->base->home : NULL,
	};
	struct config_tunnel_draft draft = { 0 };
	struct config_tunnel *copy = NULL;

	*problems = (struct config_problems){ 0 };
	if (tree->kind != NODE_MAP)
		problem_add(&sink, NULL, "forwards are a mapping of keys, not %s",
			    node_kind_name(tree->kind));
	else if (config_decode(&d, PLACE_FORWARDS, tree, &draft, NULL)) {
		copy = copy_tunnel(tunnel);
		if (copy)
			add_forwards(config, copy, &draft.forwards, &d);
		else
			problem_add(&sink, NULL, "out of memory");
	}
	config_tunnel_draft_fini(&draft);
	problem_finish(&sink, NULL, 0);
	if (copy && problem_count(&sink) > 0)
		config_tunnel_free(TAKE(copy));
	return copy;
}

/* ---- without ---- */

/* One forward that shall go: as it was added, or just where it listens. */
static bool read_wanted(struct config_decoder *d, enum forward_type type, const struct node *node,
			struct forward_spec *ret)
{
	const struct node *listen = node->kind == NODE_MAP ? node_find(node, "listen") : node;
	struct err err;

	if (!listen || listen->kind != NODE_SCALAR)
		err_set(&err, ERR_CONFIG, "write where the forward listens");
	else if (node->kind != NODE_MAP && forward_spec_parse(listen->text, type, ret, NULL) == 0)
		return true;
	else if (forward_listen_parse(listen->text, type, &ret->listen, &err) == 0) {
		ret->target.kind = END_PROXY;
		return true;
	}
	config_complain(d, node, "%s", err.msg);
	return false;
}

static bool is_end(const struct config_end *end, const struct forward_end *wanted)
{
	return end->kind == wanted->kind && end->port == wanted->port &&
	       strcmp(end->host, wanted->host) == 0;
}

/* Where the server chooses ports, many forwards listen on 0: there the target, if there is one, tells
 * them apart. */
static bool is_wanted(const struct config_forward *f, enum forward_type type,
		      const struct forward_spec *wanted)
{
	if (f->type != type || f->port_count != wanted->listen.port_count ||
	    !is_end(&f->listen, &wanted->listen))
		return false;
	return f->listen.kind != END_TCP || f->listen.port != 0 ||
	       wanted->target.kind == END_PROXY || is_end(&f->target, &wanted->target);
}

static bool can_go(const struct config_tunnel *tunnel, const struct config_forward *f)
{
	return f->added || tunnel->line == 0;
}

static void remove_wanted(struct config_decoder *d, struct config_tunnel *tunnel,
			  enum forward_type type, const struct node *node)
{
	char text[CONFIG_END_TEXT_MAX];
	struct forward_spec wanted;
	size_t found = 0, kept = 0;

	if (!read_wanted(d, type, node, &wanted))
		return;
	for (size_t i = 0; i < tunnel->forward_count; i++) {
		struct config_forward *f = &tunnel->forwards[i];
		bool is_it = is_wanted(f, type, &wanted);

		found += is_it;
		if (is_it && can_go(tunnel, f)) {
			config_forward_fini(f);
			continue;
		}
		if (is_it)
			config_complain(
				d, NULL,
				"'%s' belongs to tunnel '%s' in %s:%u; change it there, then "
				"run tunctl reload",
				f->name, tunnel->name, tunnel->source, tunnel->line);
		tunnel->forwards[kept++] = *f;
	}
	tunnel->forward_count = kept;
	if (found > 0)
		return;
	config_end_text(text, sizeof(text),
			&(struct config_end){ .kind = wanted.listen.kind,
					      .host = wanted.listen.host,
					      .port = wanted.listen.port },
			wanted.listen.port_count);
	config_complain(d, node, "tunnel '%s' has no %s forward that listens on %s", tunnel->name,
			forward_type_name(type), text);
}

static void remove_forwards(struct config_decoder *d, struct config_tunnel *tunnel,
			    const struct node *tree)
{
	for (size_t i = 0; i < node_map_count(tree); i++) {
		const struct node *key = node_map_key(tree, i), *value = node_map_value(tree, i);
		int type = forward_type_from_name(key->text);
		bool list = value->kind == NODE_LIST;

		if (type < 0) {
			config_complain(d, key,
					"unknown key '%.80s'; write local, remote or dynamic",
					key->text);
			continue;
		}
		for (size_t j = 0; j < (list ? value->count : 1); j++)
			remove_wanted(d, tunnel, (enum forward_type)type,
				      list ? value->items[j] : value);
	}
	if (tunnel->forward_count == 0)
		config_complain(
			d, NULL,
			"tunnel '%s' would have no forward left; to end it run tunctl drop %s",
			tunnel->name, tunnel->name);
}

struct config_tunnel *config_without_forwards(const struct config *config,
					      const struct config_tunnel *tunnel,
					      const struct node *tree,
					      struct config_problems *problems)
{
	struct problem_sink sink = { .to = problems };
	struct config_decoder d = { .problems = &sink };
	struct config_tunnel *copy = NULL;

	*problems = (struct config_problems){ 0 };
	if (tree->kind != NODE_MAP || node_map_count(tree) == 0)
		problem_add(&sink, NULL, "which forwards? write local, remote or dynamic");
	else if (!(copy = copy_tunnel(tunnel)))
		problem_add(&sink, NULL, "out of memory");
	else
		remove_forwards(&d, copy, tree);
	problem_finish(&sink, NULL, 0);
	if (copy && problem_count(&sink) > 0)
		config_tunnel_free(TAKE(copy));
	return copy;
}
