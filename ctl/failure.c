/* SPDX-License-Identifier: MIT */
#include "ctl/failure.h"

#include <stdarg.h>
#include <string.h>

#include "lib/str.h"
#include "lib/util.h"
#include "lib/varlink.h"

#define MANAGER "io.tunneld.Manager."

int failure_set(struct failure *f, enum exit_code exit, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	f->exit = exit;
	snprintf(f->code, sizeof(f->code), "%s", err_slug(code));
	va_start(ap, fmt);
	vsnprintf(f->message, sizeof(f->message), fmt, ap);
	va_end(ap);
	return -1;
}

int failure_nomem(struct failure *f)
{
	return failure_set(f, EXIT_FAILED, ERR_NOMEM, "out of memory");
}

void failure_hint(struct failure *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->hint, sizeof(f->hint), fmt, ap);
	va_end(ap);
}

static const char *text_of(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* The errors every Varlink service may answer with say nothing for people. */
static void standard_error(struct failure *f, const char *error, json_t *parameters)
{
	char detail[256];
	const char *method = text_of(parameters, "method");
	const char *parameter = text_of(parameters, "parameter");

	if (strcmp(error, VARLINK_METHOD_NOT_FOUND) == 0 ||
	    strcmp(error, VARLINK_INTERFACE_NOT_FOUND) == 0) {
		failure_set(f, EXIT_FAILED, ERR_PROTOCOL,
			    "this tunneld does not know the method '%s'",
			    str_escape(detail, sizeof(detail), method, strlen(method)));
		failure_hint(
			f, "'tunctl version' shows whether tunneld and tunctl are of one version");
	} else if (strcmp(error, VARLINK_INVALID_PARAMETER) == 0) {
		failure_set(f, EXIT_FAILED, ERR_PROTOCOL, "tunneld refused the parameter '%s'",
			    str_escape(detail, sizeof(detail), parameter, strlen(parameter)));
	} else {
		failure_set(f, EXIT_FAILED, ERR_PROTOCOL, "tunneld answered with the error %s",
			    str_escape(detail, sizeof(detail), error, strlen(error)));
	}
}

int failure_from_reply(struct failure *f, const char *error, json_t *parameters)
{
	const char *message = text_of(parameters, "message"), *code = text_of(parameters, "code");

	standard_error(f, error, parameters);
	if (*message)
		str_escape(f->message, sizeof(f->message), message, strlen(message));
	if (*code)
		str_escape(f->code, sizeof(f->code), code, strlen(code));
	if (strcmp(error, MANAGER "NoSuchTunnel") == 0)
		f->exit = EXIT_NO_SUCH_TUNNEL;
	f->problems = json_incref(json_object_get(parameters, "problems"));
	return -1;
}

static void print_problem(FILE *to, json_t *problem)
{
	const char *message = text_of(problem, "message"), *file = text_of(problem, "file");
	json_t *line = json_object_get(problem, "line"),
	       *column = json_object_get(problem, "column");
	char safe[1024];

	fputs("tunctl: ", to);
	if (*file)
		fprintf(to, "%s:", str_escape(safe, sizeof(safe), file, strlen(file)));
	if (*file && json_is_integer(line))
		fprintf(to, "%" JSON_INTEGER_FORMAT ":", json_integer_value(line));
	if (*file && json_is_integer(line) && json_is_integer(column))
		fprintf(to, "%" JSON_INTEGER_FORMAT ":", json_integer_value(column));
	fprintf(to, "%s%s\n", *file ? " " : "",
		str_escape(safe, sizeof(safe), message, strlen(message)));
}

static void print_json(const struct failure *f, FILE *to)
{
	json_t *error = json_pack("{s:{s:s,s:s}}", "error", "code", f->code, "message", f->message);

	if (error && *f->hint)
		json_object_set_new(json_object_get(error, "error"), "hint", json_string(f->hint));
	if (error && f->problems)
		json_object_set(json_object_get(error, "error"), "problems", f->problems);
	if (error)
		json_dumpf(error, to, JSON_ENSURE_ASCII | JSON_COMPACT);
	fputc('\n', to);
	json_decref(error);
}

void failure_print(const struct failure *f, FILE *to, bool json)
{
	size_t length = strlen(f->message), i;
	bool asks = length > 0 && f->message[length - 1] == '?';
	const char *separator = !*f->hint ? "" : asks ? " " : "; ";
	json_t *problem;

	if (json) {
		print_json(f, to);
		return;
	}
	json_array_foreach (f->problems, i, problem)
		print_problem(to, problem);
	if (json_array_size(f->problems) == 0)
		fprintf(to, "tunctl: %s%s%s\n", f->message, separator, f->hint);
	else if (*f->hint)
		fprintf(to, "tunctl: %s\n", f->hint);
}

void failure_fini(struct failure *f)
{
	json_decref(TAKE(f->problems));
}
