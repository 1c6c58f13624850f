/* SPDX-License-Identifier: MIT */
/*
 * The values that say which way a server is reached, and how it is talked to there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/algorithms.h"
#include "lib/config_value.h"
#include "lib/duration.h"
#include "lib/endpoint.h"
#include "lib/str.h"
#include "lib/util.h"

/* ---- jumps ---- */

static bool add_jump(struct config_decoder *d, const struct node *node, struct strv *to,
		     const char *text)
{
	struct endpoint endpoint;
	struct err err;

	if (endpoint_parse(text, &endpoint, &err) < 0)
		return value_complain(d, node, &err);
	return strv_add(to, text) == 0 ? true : value_no_memory(d, node);
}

/* As ssh -J takes them, a text may hold several. */
static bool add_jumps(struct config_decoder *d, const struct schema_key *key,
		      const struct node *node, void *value)
{
	CLEANUP(freep) char *copy = NULL;
	char *rest, *one;
	bool good = true;

	if (!value_is_text(d, node))
		return false;
	rest = copy = strdup(node->text);
	if (!copy)
		return value_no_memory(d, node);
	while (good && (one = strsep(&rest, ",")))
		good = add_jump(d, node, value, one + strspn(one, " "));
	return good;
}

/* "none" is written as one empty text, which no server is called. */
bool value_jumps(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		 void *value)
{
	if (node->kind == NODE_SCALAR && streq(node->text, "none"))
		return strv_add(value, "") == 0 ? true : value_no_memory(d, node);
	return value_each(d, key, node, value, add_jumps);
}

/* ---- our own sockets ---- */

bool value_host_name(struct config_decoder *d, const struct schema_key *key,
		     const struct node *node, void *value)
{
	struct err err;

	if (!value_is_text(d, node))
		return false;
	if (endpoint_check_host(node->text, &err) < 0)
		return value_complain(d, node, &err);
	return value_set_text(d, node, value, node->text);
}

/* "[host]:port", as known_hosts names servers on other ports. */
static bool is_host_with_port(const char *text)
{
	const char *end = *text == '[' ? strstr(text, "]:") : NULL;
	CLEANUP(freep) char *host = end ? strndup(text + 1, (size_t)(end - text) - 1) : NULL;
	uint16_t port;

	return host && endpoint_check_host(host, NULL) == 0 &&
	       port_parse(end + 2, &port, NULL) == 0;
}

bool value_host_alias(struct config_decoder *d, const struct schema_key *key,
		      const struct node *node, void *value)
{
	if (node->kind == NODE_SCALAR && !node_is_null(node) && is_host_with_port(node->text))
		return value_set_text(d, node, value, node->text);
	return value_host_name(d, key, node, value);
}

/* ssh_config(5), IPQoS: DSCP names (RFC 2474, RFC 3246, RFC 8622) and the old TOS names (RFC 1349), as the
 * whole byte. */
static const struct {
	const char *name;
	unsigned byte;
} qos_names[] = {
	{ "af11", 0x28 },        { "af12", 0x30 },     { "af13", 0x38 },     { "af21", 0x48 },
	{ "af22", 0x50 },        { "af23", 0x58 },     { "af31", 0x68 },     { "af32", 0x70 },
	{ "af33", 0x78 },        { "af41", 0x88 },     { "af42", 0x90 },     { "af43", 0x98 },
	{ "cs0", 0x00 },         { "cs1", 0x20 },      { "cs2", 0x40 },      { "cs3", 0x60 },
	{ "cs4", 0x80 },         { "cs5", 0xa0 },      { "cs6", 0xc0 },      { "cs7", 0xe0 },
	{ "ef", 0xb8 },          { "le", 0x04 },       { "lowdelay", 0x10 }, { "throughput", 0x08 },
	{ "reliability", 0x04 }, { "none", QOS_NONE },
};

static bool find_qos(const char *text, unsigned *ret)
{
	char *end;
	unsigned long number;

	for (size_t i = 0; i < ARRAY_SIZE(qos_names); i++) {
		if (strcasecmp(qos_names[i].name, text) == 0) {
			*ret = qos_names[i].byte;
			return true;
		}
	}
	number = strtoul(text, &end, 0);
	*ret = (unsigned)number;
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && number <= UINT8_MAX;
}

/* Of two, as ssh writes it, the second is the one for what is not interactive: ours. */
bool value_qos(struct config_decoder *d, const struct schema_key *key, const struct node *node,
	       void *value)
{
	char copy[64], shown[80], *rest = copy, *one;
	unsigned byte = QOS_NONE, count = 0;

	if (!value_is_text(d, node))
		return false;
	snprintf(copy, sizeof(copy), "%s", node->text);
	while ((one = strsep(&rest, " \t"))) {
		if (*one && (!find_qos(one, &byte) || ++count > 2))
			break;
	}
	if (one || count == 0 || strlen(node->text) >= sizeof(copy)) {
		str_escape(shown, sizeof(shown), node->text, strlen(node->text));
		config_complain(
			d, node,
			"'%s' is not a class of service; write one or two of af11 to af43, "
			"cs0 to cs7, ef, le, lowdelay, throughput, a number up to 255, none",
			shown);
		return false;
	}
	*(unsigned *)value = byte;
	return true;
}

/* ---- how to talk ---- */

/* Which table a key is about. */
static enum algorithm_kind kind_of(const struct schema_key *key)
{
	if (strcmp(key->name, "kex") == 0)
		return ALGORITHM_KEX;
	if (strcmp(key->name, "macs") == 0)
		return ALGORITHM_MAC;
	return strcmp(key->name, "ciphers") == 0 ? ALGORITHM_CIPHER : ALGORITHM_HOST_KEY;
}

bool value_algorithms(struct config_decoder *d, const struct schema_key *key,
		      const struct node *node, void *value)
{
	struct err err;

	if (!value_is_text(d, node))
		return false;
	if (algorithms_check(kind_of(key), node->text, &err) < 0)
		return value_complain(d, node, &err);
	return value_set_text(d, node, value, node->text);
}

/* "1G" in KiB; 0 for "default" and "none". False: it is no size. */
static bool parse_size(const char *text, size_t length, unsigned *ret_kib)
{
	static const char units[] = "KMG";
	const char *unit;
	char *end;
	unsigned long long number, kib;

	*ret_kib = 0;
	if ((length == 7 && strncmp(text, "default", 7) == 0) ||
	    (length == 4 && strncmp(text, "none", 4) == 0))
		return true;
	if (*text < '0' || *text > '9')
		return false;
	number = strtoull(text, &end, 10);
	unit = *end && end < text + length ? strchr(units, *end & ~0x20) : NULL;
	if (end + (unit != NULL) != text + length || number > UINT32_MAX)
		return false;
	kib = unit ? number << 10 * (unit - units) : number / 1024;
	*ret_kib = (unsigned)MIN(kib, (unsigned long long)UINT32_MAX);
	return kib >= 16; /* less would be key exchanges only (ssh's own limit) */
}

bool value_rekey(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		 void *value)
{
	struct connection_settings *c = value;
	size_t length;
	const char *time;
	struct err err;

	if (!value_is_text(d, node))
		return false;
	length = strcspn(node->text, " ");
	time = node->text + length + strspn(node->text + length, " ");
	if (!parse_size(node->text, length, &c->rekey_kib)) {
		config_complain(d, node,
				"write a size from 16K and, if wanted, a duration: 1G, 1G 1h, "
				"default 1h");
		return false;
	}
	c->rekey_ms = 0;
	if (*time && strcmp(time, "none") != 0 && duration_parse(time, &c->rekey_ms, &err) < 0)
		return value_complain(d, node, &err);
	return true;
}

/* "yes", "no" or an absolute path. */
bool value_ssh_config(struct config_decoder *d, const struct schema_key *key,
		      const struct node *node, void *value)
{
	CLEANUP(freep) char *path = NULL;

	if (!value_is_text(d, node))
		return false;
	if (streq(node->text, "yes") || streq(node->text, "true"))
		return value_set_text(d, node, value, "yes");
	if (streq(node->text, "no") || streq(node->text, "false"))
		return value_set_text(d, node, value, "no");
	path = config_expand_path(d, node, node->text);
	return path && value_set_text(d, node, value, path);
}
