/* SPDX-License-Identifier: MIT */
/*
 * Splits a copy in place; the fields get their meaning by their number, in forward_spec.c.
 */
#include "lib/forward_fields.h"

#include <arpa/inet.h>
#include <string.h>

#include "lib/str.h"

int forward_fields_refuse(const char *text, const char *why, struct err *err)
{
	char shown[96];

	str_escape(shown, sizeof(shown), text, strlen(text));
	return err_set(err, ERR_CONFIG, "'%s' %s", shown, why);
}

bool forward_field_is_port(const char *text)
{
	uint16_t first, last;

	return port_range_parse(text, &first, &last, NULL) == 0 || strcmp(text, "0") == 0;
}

/* Takes "[...]" off *text, which moves behind the ':' after it; NULL: brackets that do not match.
 */
static char *take_bracketed(char **text)
{
	char *field = *text + 1, *end = field + strcspn(field, "]/");

	if (*end != ']' || (end[1] != ':' && end[1] != '\0'))
		return NULL;
	*text = end + (end[1] == ':' ? 2 : 1);
	*end = '\0';
	return field;
}

/* Takes one field off *text, removing backslashes; NULL: the text ends with one. */
static char *take_plain(char **text, bool *ret_is_path)
{
	char *field = *text, *to = field, *from = field;

	for (; *from != '\0' && *from != ':'; from++) {
		if (*from == '\\' && *++from == '\0')
			return NULL;
		*ret_is_path |= *from == '/';
		*to++ = *from;
	}
	*text = from + (*from == ':');
	*to = '\0';
	return field;
}

/* As for OpenSSH, a ':' at the very end is followed by nothing, not by an empty field. */
int forward_fields_split(const char *text, struct forward_fields *ret, struct err *err)
{
	char *rest = ret->buffer;

	strcpy(ret->buffer, text);
	for (ret->count = 0; *rest != '\0' && ret->count < FORWARD_FIELDS_MAX; ret->count++) {
		bool bracketed = *rest == '[';
		bool *is_path = &ret->is_path[ret->count];

		*is_path = false;
		ret->text[ret->count] =
			bracketed ? take_bracketed(&rest) : take_plain(&rest, is_path);
		if (ret->text[ret->count])
			continue;
		return forward_fields_refuse(
			text,
			bracketed ? "has a '[' without a matching ']' at the end of the part"
				  : "ends with a backslash",
			err);
	}
	if (*rest != '\0')
		ret->count = FORWARD_FIELDS_MAX + 1;
	return 0;
}

static bool is_bind(const char *text)
{
	return *text == '\0' || strcmp(text, "*") == 0 || endpoint_check_host(text, NULL) == 0;
}

/* What nobody calls a directory. */
static bool is_plain_bind(const char *text)
{
	struct in_addr address;

	return strcmp(text, "*") == 0 || strcmp(text, "localhost") == 0 || endpoint_is_ipv6(text) ||
	       inet_pton(AF_INET, text, &address) == 1;
}

/* Strips the brackets of "[::1]". */
static char *unbracket(char *text)
{
	size_t length = strlen(text);

	if (length < 2 || text[0] != '[' || text[length - 1] != ']')
		return text;
	text[length - 1] = '\0';
	return text + 1;
}

bool forward_fields_split_slashes(const char *text, enum forward_type type,
				  struct forward_fields *ret)
{
	char *rest = ret->buffer, *field;
	char **f = ret->text;

	strcpy(ret->buffer, text);
	ret->count = 0;
	while ((field = strsep(&rest, "/"))) {
		if (ret->count == FORWARD_FIELDS_MAX)
			return false;
		f[ret->count] = unbracket(field);
		ret->is_path[ret->count++] = false;
	}
	if (ret->count == 2) /* bind/port, without a target */
		return type != FORWARD_LOCAL && is_plain_bind(f[0]) && forward_field_is_port(f[1]);
	if (ret->count < 3 || type == FORWARD_DYNAMIC)
		return false;
	f += ret->count - 3; /* port/host/port */
	return forward_field_is_port(f[0]) && forward_field_is_port(f[2]) &&
	       endpoint_check_host(f[1], NULL) == 0 && (ret->count == 3 || is_bind(ret->text[0]));
}
