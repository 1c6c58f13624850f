/* SPDX-License-Identifier: MIT */
/*
 * The specifiers of systemd.unit(5). Those about the machine the unit runs on are taken from this one.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/unit.h"
#include "lib/str.h"

/* Of the service manager, whatever User= says. NULL: not known here. */
static const struct {
	char letter;
	const char *system, *user;
} fixed[] = {
	{ '%', "%", "%" },
	{ 'h', "/root", "~" },
	{ 'u', "root", NULL },
	{ 'U', "0", NULL },
	{ 'g', "root", NULL },
	{ 'G', "0", NULL },
	{ 't', "/run", NULL },
	{ 'S', "/var/lib", "~/.local/state" },
	{ 'C', "/var/cache", "~/.cache" },
	{ 'L', "/var/log", "~/.local/state/log" },
	{ 'E', "/etc", "~/.config" },
	{ 'T', "/tmp", "/tmp" },
	{ 'V', "/var/tmp", "/var/tmp" },
};

/* "-" is a slash in the name of a unit, "\x2d" a dash. The caller frees. */
static char *unescape(const char *text)
{
	struct strbuf to = { 0 };

	for (; *text; text++) {
		char byte = *text == '-' ? '/' : *text;

		if (text[0] == '\\' && text[1] == 'x' && isxdigit((unsigned char)text[2]) &&
		    isxdigit((unsigned char)text[3])) {
			byte = (char)strtoul((char[]){ text[2], text[3], '\0' }, NULL, 16);
			text += 3;
		}
		if (byte)
			strbuf_add_bytes(&to, &byte, 1);
	}
	return strbuf_take(&to);
}

/* "instance" of "prefix@instance"; NULL: of a template, which is no instance yet. */
static char *instance_of(const struct unit *unit)
{
	const char *at = strchr(unit->name, '@');

	if (at && !at[1])
		return NULL;
	return strdup(at ? at + 1 : "");
}

static char *prefix_of(const struct unit *unit)
{
	return strndup(unit->name, strcspn(unit->name, "@"));
}

static char *last_of_prefix(const struct unit *unit)
{
	CLEANUP(freep) char *prefix = prefix_of(unit);
	const char *dash = prefix ? strrchr(prefix, '-') : NULL;

	return dash ? strdup(dash + 1) : TAKE(prefix);
}

static char *name_of(const struct unit *unit)
{
	return strdup(unit->name);
}

static char *full_name_of(const struct unit *unit)
{
	return str_printf("%s.service", unit->name);
}

static char *machine(const struct unit *unit)
{
	char host[256] = "";

	return gethostname(host, sizeof(host) - 1) == 0 ? strdup(host) : NULL;
}

static char *short_machine(const struct unit *unit)
{
	CLEANUP(freep) char *host = machine(unit);

	return host ? strndup(host, strcspn(host, ".")) : NULL;
}

static const struct {
	char letter, unescaped; /* 0: there is none */
	char *(*of)(const struct unit *unit);
} parts[] = {
	{ 'i', 'I', instance_of }, { 'p', 'P', prefix_of }, { 'j', 'J', last_of_prefix },
	{ 'n', 0, full_name_of },  { 'N', 0, name_of },     { 'H', 0, machine },
	{ 'l', 0, short_machine },
};

/* The caller frees; NULL: none that is known here. */
static char *specifier(const struct unit *unit, char letter)
{
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
		const char *value = unit->of_user ? fixed[i].user : fixed[i].system;

		if (fixed[i].letter == letter)
			return value ? strdup(value) : NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		CLEANUP(freep) char *value = NULL;

		if (parts[i].letter == letter)
			return parts[i].of(unit);
		if (parts[i].unescaped != letter)
			continue;
		value = parts[i].of(unit);
		return value ? unescape(value) : NULL;
	}
	return NULL;
}

char *unit_expand(const struct unit *unit, const char *text, struct strv *comments)
{
	struct strbuf to = { 0 };

	for (; *text; text++) {
		CLEANUP(freep) char *value = NULL;
		CLEANUP(freep) char *why = NULL;

		if (text[0] == '%' && text[1]) {
			value = specifier(unit, text[1]);
			why = value ? NULL : str_printf("not expanded: %%%c", text[1]);
			if (!value && (!why || strv_add(comments, why) < 0))
				to.failed = true;
		}
		strbuf_add_bytes(&to, value ? value : text, value ? strlen(value) : 1);
		text += value != NULL;
	}
	return strbuf_take(&to);
}
