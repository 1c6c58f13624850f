/* SPDX-License-Identifier: MIT */
#include "lib/ssh_output.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/str.h"
#include "lib/util.h"

enum { COMPLAINT_MAX = 512 }; /* bytes of a line that is quoted */

static size_t count_lines(const char *text)
{
	size_t count = 1;

	for (; (text = strchr(text, '\n')); text++)
		count++;
	return count;
}

/* Cuts text, which becomes the property of ret, into its lines. */
static int cut(char *text, struct ssh_output *ret, struct err *err)
{
	char *rest = text, *line;

	*ret = (struct ssh_output){ .text = text };
	ret->lines = calloc(count_lines(text), sizeof(*ret->lines));
	if (!ret->lines)
		return err_nomem(err);
	while ((line = strsep(&rest, "\n"))) {
		char *value = line + strcspn(line, " ");

		if (*line == '\0')
			continue;
		if (*value)
			*value++ = '\0';
		if (ret->count == SSH_LINES_MAX)
			return err_set(err, ERR_CONFIG, "ssh -G prints more than %d lines",
				       SSH_LINES_MAX);
		ret->lines[ret->count++] = (struct ssh_line){ line, value };
	}
	return 0;
}

int ssh_output_parse(const char *text, size_t length, struct ssh_output *ret, struct err *err)
{
	char *copy;

	*ret = (struct ssh_output){ 0 };
	if (length > SSH_OUTPUT_MAX)
		return err_set(err, ERR_CONFIG, "ssh -G prints more than %d bytes", SSH_OUTPUT_MAX);
	if (memchr(text, '\0', length) || !str_is_utf8(text, length))
		return err_set(err, ERR_CONFIG, "what ssh -G prints is not UTF-8");
	copy = strndup(text, length);
	if (!copy)
		return err_nomem(err);
	if (cut(copy, ret, err) == 0)
		return 0;
	ssh_output_fini(ret);
	return -1;
}

void ssh_output_fini(struct ssh_output *output)
{
	free(output->text);
	free(output->lines);
	*output = (struct ssh_output){ 0 };
}

const char *ssh_output_next(const struct ssh_output *output, const char *keyword, size_t *at)
{
	while (*at < output->count) {
		const struct ssh_line *line = &output->lines[(*at)++];

		if (strcasecmp(line->keyword, keyword) == 0)
			return line->value;
	}
	return NULL;
}

const char *ssh_output_find(const struct ssh_output *output, const char *keyword)
{
	size_t at = 0;

	return ssh_output_next(output, keyword, &at);
}

bool ssh_output_agree(const struct ssh_output *a, const struct ssh_output *b, const char *keyword)
{
	size_t in_a = 0, in_b = 0;
	const char *x, *y;

	do {
		x = ssh_output_next(a, keyword, &in_a);
		y = ssh_output_next(b, keyword, &in_b);
	} while (x && streq(x, y));
	return streq(x, y);
}

/* ---- complaints ---- */

/* "FILE: line 3: what" and "FILE line 3: what": where what begins; NULL when line is neither. */
static const char *split_place(const char *line, size_t *ret_path_length, unsigned *ret_line)
{
	const char *word = strstr(line, " line ");
	char *end;

	if (!word || word == line)
		return NULL;
	*ret_line = (unsigned)strtoul(word + strlen(" line "), &end, 10);
	*ret_path_length = (size_t)(word - line) - (word[-1] == ':');
	if (*end != ':' || *ret_line == 0 || *ret_path_length == 0)
		return NULL;
	return end + 1 + strspn(end + 1, " ");
}

/* True when line names a place. */
static bool read_complaint(const char *line, char **ret_path, unsigned *ret_line, struct err *ret)
{
	char shown[COMPLAINT_MAX];
	size_t path_length;
	const char *what = split_place(line, &path_length, ret_line);

	if (!what)
		*ret_line = 0;
	else
		*ret_path = strndup(line, path_length);
	what = what ? what : line;
	err_set(ret, ERR_CONFIG, "%s", str_escape(shown, sizeof(shown), what, strlen(what)));
	return *ret_path != NULL;
}

void ssh_complaint(const char *text, char **ret_path, unsigned *ret_line, struct err *ret)
{
	bool found = false;

	*ret_path = NULL;
	*ret_line = 0;
	err_set(ret, ERR_CONFIG, "ssh -G failed and does not say why");
	for (text += strspn(text, "\r\n"); *text && !found; text += strspn(text, "\r\n")) {
		size_t length = strcspn(text, "\r\n");
		CLEANUP(freep) char *line = strndup(text, length);

		found = line && read_complaint(line, ret_path, ret_line, ret);
		text += length;
	}
}
