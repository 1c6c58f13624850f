/* SPDX-License-Identifier: MIT */
#include "lib/ssh_tokens.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/endpoint.h"
#include "lib/str.h"
#include "lib/util.h"

enum { ROOM = 320, USER_MAX = 256, ACCOUNT_MAX = 4096 };

static const char *host_name(char letter, char *room)
{
	if (gethostname(room, ROOM) < 0)
		return NULL;
	room[ROOM - 1] = '\0';
	if (letter == 'L')
		room[strcspn(room, ".")] = '\0';
	return room;
}

/* Of several jumps ssh means the last, and of that the host. */
static const char *jump_host(const char *jumps, char *room)
{
	const char *last = jumps ? strrchr(jumps, ',') : NULL;
	struct endpoint endpoint;

	if (!jumps || strcmp(jumps, "none") == 0)
		return "";
	last = last ? last + 1 + strspn(last + 1, " ") : jumps;
	if (strncmp(last, "ssh://", strlen("ssh://")) == 0)
		last += strlen("ssh://");
	if (endpoint_parse(last, &endpoint, NULL) < 0)
		return NULL;
	snprintf(room, ROOM, "%s", endpoint.host);
	return room;
}

/* What a token stands for; NULL: nothing that is known here. */
static const char *value_of(const struct ssh_names *names, char letter, char *room)
{
	switch (letter) {
	case 'C':
		return names->hash;
	case 'd':
		return names->home;
	case 'h':
		return names->hostname;
	case 'i':
		snprintf(room, ROOM, "%u", (unsigned)geteuid());
		return room;
	case 'j':
		return names->host ? jump_host(names->jump, room) : NULL;
	case 'k':
		return names->key_alias ? names->key_alias : names->host;
	case 'l':
	case 'L':
		return host_name(letter, room);
	case 'n':
		return names->host;
	case 'p':
		return names->port;
	case 'r':
		return names->user;
	case 'u':
		return names->local_user;
	default:
		return NULL;
	}
}

/* "%h" at text: adds its value and returns what stands behind; NULL: it has none. */
static const char *add_token(struct strbuf *to, const char *text, const struct ssh_names *names,
			     const char *letters, const char **ret_why)
{
	char room[ROOM], letter = text[1];
	const char *value = NULL;

	if (letter == '%')
		value = "%";
	else if (letter && strchr(letters, letter))
		value = value_of(names, letter, room);
	if (!value) {
		*ret_why = "a token in it is not known here; write it out";
		return NULL;
	}
	strbuf_add(to, value);
	return text + 2;
}

/* "${NAME}" in the same way. */
static const char *add_variable(struct strbuf *to, const char *text, const char **ret_why)
{
	const char *end = strchr(text, '}');
	CLEANUP(freep) char *name = end ? strndup(text + 2, (size_t)(end - text) - 2) : NULL;
	const char *value = name ? getenv(name) : NULL;

	if (!value) {
		*ret_why = "tunneld's environment has no such variable; write it out";
		return NULL;
	}
	strbuf_add(to, value);
	return end + 1;
}

char *ssh_tokens_expand(const struct ssh_names *names, const char *text, const char *letters,
			bool has_variables, const char **ret_why)
{
	struct strbuf out = { 0 };

	*ret_why = "out of memory";
	while (text && *text) {
		if (text[0] == '%')
			text = add_token(&out, text, names, letters, ret_why);
		else if (has_variables && text[0] == '$' && text[1] == '{')
			text = add_variable(&out, text, ret_why);
		else
			strbuf_add_bytes(&out, text++, 1);
	}
	if (text)
		return strbuf_take(&out);
	strbuf_fini(&out);
	return NULL;
}

char *ssh_tokens_home(const char *path)
{
	size_t length = strcspn(path, "/");
	char user[USER_MAX], room[ACCOUNT_MAX];
	struct passwd account, *found = NULL;

	if (path[0] != '~' || length < 2)
		return strdup(path);
	if (length - 1 >= sizeof(user))
		return NULL;
	memcpy(user, path + 1, length - 1);
	user[length - 1] = '\0';
	if (getpwnam_r(user, &account, room, sizeof(room), &found) != 0 || !found)
		return NULL;
	return str_printf("%s%s", found->pw_dir, path + length);
}
