/* SPDX-License-Identifier: MIT */
#include "ctl/describe.h"

#include <string.h>

#include "ctl/human.h"
#include "lib/tunnel_state.h"
#include "lib/util.h"

const char *get_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

uint64_t get_count(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	return value > 0 ? (uint64_t)value : 0;
}

double get_number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static const enum style state_styles[TUNNEL_STATE_COUNT] = {
	[TUNNEL_STOPPED] = STYLE_DIM,     [TUNNEL_CONNECTING] = STYLE_CYAN,
	[TUNNEL_VERIFYING] = STYLE_CYAN,  [TUNNEL_AUTHENTICATING] = STYLE_CYAN,
	[TUNNEL_OPENING] = STYLE_CYAN,    [TUNNEL_UP] = STYLE_GREEN,
	[TUNNEL_DEGRADED] = STYLE_YELLOW, [TUNNEL_BACKOFF] = STYLE_YELLOW,
	[TUNNEL_FAILED] = STYLE_RED,
};

enum style state_style(const char *state)
{
	int known = tunnel_state_from_name(state);

	return known < 0 ? STYLE_NONE : state_styles[known];
}

static const enum style forward_styles[FORWARD_STATE_COUNT] = {
	[FORWARD_CLOSED] = STYLE_DIM,   [FORWARD_WAITING] = STYLE_YELLOW,
	[FORWARD_OPENING] = STYLE_CYAN, [FORWARD_OPEN] = STYLE_NONE,
	[FORWARD_FAILED] = STYLE_RED,
};

enum style forward_style(const json_t *forward)
{
	int known = forward_state_from_name(get_text(forward, "state"));

	return known < 0 ? STYLE_NONE : forward_styles[known];
}

const char *error_message(const json_t *object)
{
	return get_text(json_object_get(object, "error"), "message");
}

/* As in the log: the words for people, then the one for programs and search engines. */
static void add_error(struct strbuf *to, const json_t *object)
{
	const char *code = get_text(json_object_get(object, "error"), "code");

	strbuf_add(to, error_message(object));
	if (*code)
		strbuf_addf(to, " [%s]", code);
}

void describe_forward(struct strbuf *to, const json_t *forward, const struct term *term)
{
	const char *type = get_text(forward, "type"), *target = get_text(forward, "target");

	if (strcmp(type, "local") != 0)
		strbuf_addf(to, "%s ", type);
	strbuf_add(to, get_text(forward, "listen"));
	if (strcmp(target, "any") == 0)
		strbuf_addf(to, " %s any (proxy)", term_arrow(term));
	else if (*target)
		strbuf_addf(to, " %s %s", term_arrow(term), target);
}

/* "retry in 4s", or what is going on instead. */
static void add_retry(struct strbuf *to, const json_t *tunnel, uint64_t late_ms)
{
	uint64_t wait_ms = get_count(tunnel, "retry_in_ms"), attempt = get_count(tunnel, "attempt");
	char text[HUMAN_MAX];

	/* Rounded up: "0s" would be a promise that it is happening now. */
	if (wait_ms > late_ms)
		strbuf_addf(to, "retry in %s", human_duration(text, wait_ms - late_ms + 999));
	else
		strbuf_add(to, "retry now");
	if (attempt > 0)
		strbuf_addf(to, " (attempt %s)", human_count(text, attempt));
}

void describe_reason(struct strbuf *to, const json_t *tunnel, uint64_t late_ms)
{
	int state = tunnel_state_from_name(get_text(tunnel, "state"));
	bool waits = state == TUNNEL_BACKOFF;

	if (state == TUNNEL_UP || state == TUNNEL_STOPPED)
		return;
	if (waits)
		add_retry(to, tunnel, late_ms);
	if (!*error_message(tunnel))
		return;
	/* On the way up, an error is what ended the attempt before this one. */
	if (state >= 0 && !waits && !tunnel_state_is_settled(state))
		strbuf_add(to, "last failure: ");
	strbuf_add(to, waits ? ": " : "");
	add_error(to, tunnel);
}

bool describe_failed_forward(struct strbuf *to, const json_t *forward)
{
	const char *message = error_message(forward), *listen = get_text(forward, "listen");

	if (forward_state_from_name(get_text(forward, "state")) != FORWARD_FAILED || !*message)
		return false;
	/* Most messages name the address anyway. */
	if (!strstr(message, listen))
		strbuf_addf(to, "%s: ", listen);
	add_error(to, forward);
	return true;
}

void describe_age(struct strbuf *to, const json_t *tunnel)
{
	int64_t since = human_parse_time(get_text(tunnel, "since")), now = (int64_t)realtime_ms();
	char text[HUMAN_MAX];

	strbuf_add(to, since < 0 ? "-" : human_duration(text, now > since ? now - since : 0));
}
