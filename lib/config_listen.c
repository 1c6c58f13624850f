/* SPDX-License-Identifier: MIT */
/*
 * Two forwards cannot listen in one place. A forward claims ports of addresses: `*` those of every
 * address, `localhost` those of both loopback addresses, a name nobody can look up here just its own;
 * a remote one claims on its server, where only its own tunnel is known to be. Sorted, those on one
 * address lie next to each other. The one that was written first is right.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/config_read.h"
#include "lib/util.h"

enum family { CLAIM_IPV4, CLAIM_IPV6, CLAIM_NAME, CLAIM_PATH };

enum { CLAIMS_MAX = CLAIM_PATH }; /* of one forward */

struct claim {
	const struct config_listen *by; /* what is in scope, and where it was written */
	enum family family;
	const char *address; /* "": every address of the family */
	uint16_t first, last; /* ports */
};

const struct node *config_forward_node(const struct node *map, size_t index)
{
	for (size_t i = 0; map && i < node_map_count(map); i++) {
		const struct node *value = node_map_value(map, i);
		size_t count = value->kind == NODE_LIST ? value->count : 1;

		if (forward_type_from_name(node_map_key(map, i)->text) < 0)
			continue;
		if (index < count)
			return value->kind == NODE_LIST ? value->items[index] : value;
		index -= count;
	}
	return map;
}

/* The next item, empty; NULL: no memory. */
static struct config_listen *grow(struct config_listens *listens)
{
	if (listens->count == listens->capacity) {
		size_t capacity = listens->capacity ? 2 * listens->capacity : 64;
		struct config_listen *items = realloc(listens->items, capacity * sizeof(*items));

		if (!items)
			return NULL;
		listens->items = items;
		listens->capacity = capacity;
	}
	return &listens->items[listens->count++];
}

int config_listens_add(struct config_listens *listens, const struct config_tunnel *tunnel,
		       const struct node *map, size_t order)
{
	for (size_t i = 0; i < tunnel->forward_count; i++) {
		struct config_listen *listen = grow(listens);

		if (!listen)
			return -1;
		*listen = (struct config_listen){
			.forward = &tunnel->forwards[i],
			.tunnel = tunnel->name,
			.at = config_forward_node(map, i),
			.order = order,
		};
	}
	return 0;
}

/* ---- claims ---- */

/* What is claimed by listening at host. */
static const struct {
	const char *host;
	const char *address[CLAIM_PATH]; /* by family; NULL: nothing */
} special_hosts[] = {
	{ "*", { "", "", "" } },
	{ "0.0.0.0", { "", NULL, NULL } },
	{ "::", { NULL, "", NULL } },
	{ "localhost", { "127.0.0.1", "::1", NULL } },
};

static enum family family_of(const char *host)
{
	struct in_addr address;

	if (inet_pton(AF_INET, host, &address) == 1)
		return CLAIM_IPV4;
	return endpoint_is_ipv6(host) ? CLAIM_IPV6 : CLAIM_NAME;
}

/* Returns how many there are. */
static size_t claims_of(const struct config_listen *by, struct claim ret[CLAIMS_MAX])
{
	const struct config_end *end = &by->forward->listen;
	const char *host = end->host;
	struct claim claim = {
		.by = by,
		.family = CLAIM_PATH,
		.address = host,
		.first = end->port,
		.last = (uint16_t)(end->port + by->forward->port_count - 1),
	};
	size_t count = 0;

	ret[0] = claim;
	if (end->kind != END_TCP)
		return 1;
	if (end->port == 0) /* whichever is free */
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(special_hosts); i++) {
		if (strcasecmp(host, special_hosts[i].host) != 0)
			continue;
		for (int family = 0; family < CLAIM_PATH; family++) {
			claim.family = (enum family)family;
			claim.address = special_hosts[i].address[family];
			if (claim.address)
				ret[count++] = claim;
		}
		return count;
	}
	ret[0].family = family_of(host);
	return 1;
}

/* Whose ports they are: "" for this machine. */
static const char *scope_of(const struct claim *claim)
{
	return claim->by->forward->type == FORWARD_REMOTE ? claim->by->tunnel : "";
}

static int compare_group(const struct claim *a, const struct claim *b)
{
	int order = strcmp(scope_of(a), scope_of(b));

	return order ? order : (int)a->family - (int)b->family;
}

static int compare_address(const struct claim *a, const struct claim *b)
{
	return a->family == CLAIM_PATH ? strcmp(a->address, b->address)
				       : strcasecmp(a->address, b->address);
}

/* Whether x was written before y. */
static bool is_before(const struct config_listen *x, const struct config_listen *y)
{
	return x->order != y->order ? x->order < y->order : x->forward < y->forward;
}

/* By scope, family, address (every one first), first port; then in the order of the text. */
static int by_place(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int order = compare_group(x, y);

	order = order ? order : compare_address(x, y);
	order = order ? order : (int)x->first - (int)y->first;
	return order ? order : is_before(x->by, y->by) ? -1 : is_before(y->by, x->by);
}

static bool ports_overlap(const struct claim *a, const struct claim *b)
{
	return a->first <= b->last && b->first <= a->last;
}

/* ---- conflicts ---- */

/* Names a's words for the place as well where they are not b's: "taken by tunnel 'a' (*:5432)". */
static void complain(struct config_decoder *d, const struct config_listen *a,
		     const struct config_listen *b)
{
	char where[256], text[CONFIG_END_TEXT_MAX], other[CONFIG_END_TEXT_MAX + 3] = " (";
	const char *type = forward_type_name(b->forward->type);

	config_end_text(text, sizeof(text), &b->forward->listen, b->forward->port_count);
	config_end_text(other + 2, CONFIG_END_TEXT_MAX, &a->forward->listen,
			a->forward->port_count);
	if (strcmp(text, other + 2) == 0)
		*other = '\0';
	else
		strcat(other, ")");
	if (b->at && b->at->file)
		config_complain(d, b->at, "tunnels.%s.%s: %s is taken by tunnel '%s'%s in %s",
				b->tunnel, type, text, a->tunnel, other,
				config_place_text(a->at, b->at, where, sizeof(where)));
	else
		config_complain(d, b->at, "%s: %s is taken by tunnel '%s'%s", type, text, a->tunnel,
				other);
}

static void conflict(struct config_decoder *d, const struct claim *a, const struct claim *b)
{
	if (is_before(a->by, b->by))
		complain(d, a->by, b->by);
	else
		complain(d, b->by, a->by);
}

/* The last of the claims on every address that begins at or before claim ends; NULL: none. They do
 * not overlap, or there was a complaint already. */
static const struct claim *find_wildcard(const struct claim *wildcards, size_t count,
					 const struct claim *claim)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (wildcards[middle].first <= claim->last)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 ? &wildcards[low - 1] : NULL;
}

/* The claims of one scope and family, sorted. */
static void check_group(struct config_decoder *d, const struct claim *items, size_t count)
{
	const struct claim *reach = &items[0]; /* of those on this address, who goes furthest */
	size_t wildcards = 0;

	while (wildcards < count && *items[wildcards].address == '\0')
		wildcards++;
	for (size_t i = 0; i < count; i++) {
		const struct claim *claim = &items[i], *every;

		if (i > 0 && compare_address(reach, claim) == 0) {
			if (ports_overlap(reach, claim))
				conflict(d, reach, claim);
			reach = claim->last > reach->last ? claim : reach;
		} else {
			reach = claim;
		}
		every = i < wildcards ? NULL : find_wildcard(items, wildcards, claim);
		if (every && ports_overlap(every, claim))
			conflict(d, every, claim);
	}
}

void config_listens_check(struct config_listens *listens, struct config_decoder *d)
{
	struct claim *claims = calloc(MAX(listens->count, (size_t)1), CLAIMS_MAX * sizeof(*claims));
	size_t count = 0, end;

	if (!claims) {
		config_complain(d, NULL, "out of memory");
		return;
	}
	for (size_t i = 0; i < listens->count; i++)
		count += claims_of(&listens->items[i], claims + count);
	if (count > 0)
		qsort(claims, count, sizeof(*claims), by_place);
	for (size_t first = 0; first < count; first = end) {
		for (end = first + 1; end < count; end++) {
			if (compare_group(&claims[first], &claims[end]) != 0)
				break;
		}
		check_group(d, claims + first, end - first);
	}
	free(claims);
}

/* ---- one that joins ---- */

static bool claims_clash(const struct claim *a, const struct claim *b)
{
	return compare_group(a, b) == 0 && ports_overlap(a, b) &&
	       (*a->address == '\0' || *b->address == '\0' || compare_address(a, b) == 0);
}

static bool listens_clash(const struct config_listen *a, const struct config_listen *b)
{
	struct claim x[CLAIMS_MAX], y[CLAIMS_MAX];
	size_t x_count, y_count;

	/* Nearly always the answer, and cheap. */
	if (a->forward->listen.port >= b->forward->listen.port + b->forward->port_count ||
	    b->forward->listen.port >= a->forward->listen.port + a->forward->port_count)
		return false;
	x_count = claims_of(a, x);
	y_count = claims_of(b, y);
	for (size_t i = 0; i < x_count * y_count; i++) {
		if (claims_clash(&x[i / y_count], &y[i % y_count]))
			return true;
	}
	return false;
}

/* Of other, the forwards up to the end-th. */
static void check_against(const struct config_tunnel *other, size_t end,
			  const struct config_listen *listen, struct config_decoder *d)
{
	for (size_t i = 0; i < end; i++) {
		const struct config_listen taken = {
			.forward = &other->forwards[i],
			.tunnel = other->name,
		};

		if (listens_clash(&taken, listen))
			complain(d, &taken, listen);
	}
}

void config_listens_check_one(const struct config *config, const struct config_tunnel *tunnel,
			      size_t first, struct config_decoder *d)
{
	for (size_t i = first; i < tunnel->forward_count; i++) {
		const struct config_listen listen = {
			.forward = &tunnel->forwards[i],
			.tunnel = tunnel->name,
		};

		for (size_t j = 0; j < config->tunnel_count; j++) {
			const struct config_tunnel *other = config->tunnels[j];

			if (strcmp(other->name, tunnel->name) != 0)
				check_against(other, other->forward_count, &listen, d);
		}
		check_against(tunnel, i, &listen, d);
	}
}
