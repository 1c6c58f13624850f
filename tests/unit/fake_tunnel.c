/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_tunnel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/util.h"

struct script script;
struct heard heard;

void fake_tunnel_reset(void)
{
	script = (struct script){ 0 };
	heard = (struct heard){ 0 };
	for (int i = 0; i < TUNNEL_STATE_COUNT; i++)
		script.answers[i] = STEP_NEXT;
}

/* ---- the scripted session: what each step answers ---- */

static enum step answer(enum tunnel_state state, struct err *err)
{
	if (script.answers[state] == STEP_FAIL)
		*err = script.why;
	return script.answers[state];
}

struct attempt *attempt_new(const struct worker_parts *parts,
			    const struct connection_settings *settings,
			    const struct attempt_ops *ops, void *data, struct err *err)
{
	struct attempt *a = calloc(1, sizeof(*a));

	assert_null(script.living); /* never two at a time */
	a->ops = ops;
	a->data = data;
	script.living = a;
	script.started++;
	return a;
}

void attempt_free(struct attempt *a)
{
	if (a)
		script.living = NULL;
	free(a);
}

enum step attempt_connect(struct attempt *a, struct err *err)
{
	return answer(TUNNEL_CONNECTING, err);
}

enum step attempt_verify(struct attempt *a, struct err *err)
{
	return answer(TUNNEL_VERIFYING, err);
}

enum step attempt_authenticate(struct attempt *a, struct err *err)
{
	return answer(TUNNEL_AUTHENTICATING, err);
}

enum step attempt_open(struct attempt *a, struct err *err)
{
	return answer(TUNNEL_OPENING, err);
}

struct session *attempt_session(struct attempt *a)
{
	return (struct session *)a;
}

void attempt_describe(const struct attempt *a, char *out, size_t size)
{
	snprintf(out, size, "the SSH banner of 192.0.2.1:22");
}

void attempt_facts(struct attempt *a, struct wire_session *ret)
{
	*ret = (struct wire_session){ .address = "192.0.2.1:22" };
}

void attempt_set_tcp_timeout(struct attempt *a, unsigned timeout_ms)
{
}

int keepalive_open(struct keepalive *k, struct loop *loop, struct session *s, unsigned interval_ms,
		   unsigned count, const struct keepalive_ops *ops, void *data)
{
	*k = (struct keepalive){ .session = s, .ops = ops, .data = data };
	heard.keepalive = k;
	return 0;
}

void keepalive_set(struct keepalive *k, unsigned interval_ms, unsigned count)
{
	k->interval_ms = interval_ms;
}

void keepalive_ask(struct keepalive *k)
{
	heard.asked++;
}

void keepalive_close(struct keepalive *k)
{
	*k = (struct keepalive){ 0 };
	heard.keepalive = NULL;
}

/* ---- a forward that only remembers what it was told ---- */

struct forward *forward_new(const struct worker_parts *parts, uint64_t id,
			    struct config_forward *spec, unsigned hold_ms,
			    const struct forward_ops *ops, void *data, struct err *err)
{
	struct forward *f = calloc(1, sizeof(*f));

	config_forward_fini(spec);
	f->id = id;
	f->ops = ops;
	f->data = data;
	heard.forward = f;
	return f;
}

void forward_free(struct forward *f)
{
	list_remove(&f->link);
	free(f);
}

void forward_retire(struct forward *f)
{
	free(f);
}

int forward_set_sockets(struct forward *f, int *fds, size_t count, const struct err *error)
{
	f->error = error ? *error : (struct err){ 0 };
	return 0;
}

void forward_set_hold(struct forward *f, unsigned hold_ms)
{
}

void forward_serve(struct forward *f, struct session *s)
{
	f->told = TOLD_SERVE;
}

void forward_hold(struct forward *f)
{
	f->told = TOLD_HOLD;
}

void forward_refuse(struct forward *f)
{
	f->told = TOLD_REFUSE;
}

void forward_end_connections(struct forward *f, bool reset)
{
	f->cut += reset;
}

uint64_t forward_id(const struct forward *f)
{
	return f->id;
}

bool forward_is_waiting(const struct forward *f)
{
	return f->waiting;
}

enum forward_state forward_state(const struct forward *f)
{
	return f->error.code ? FORWARD_FAILED : FORWARD_OPEN;
}

const struct err *forward_error(const struct forward *f)
{
	return &f->error;
}

const struct wire_counters *forward_counters(const struct forward *f)
{
	return &f->counters;
}

struct list *forward_link(struct forward *f)
{
	return &f->link;
}

struct forward *forward_from_link(struct list *link)
{
	return list_entry(link, struct forward, link);
}

/* ---- reports are kept as a line of words ---- */

void report_tunnel(struct report *r, const struct wire_tunnel_state *state)
{
	size_t used = strlen(heard.states);

	heard.last = *state;
	snprintf(heard.states + used, sizeof(heard.states) - used, "%s%s", used ? " " : "",
		 tunnel_state_name(state->state));
}

void report_forward(struct report *r, const struct wire_forward_state *state)
{
}

void report_stats(struct report *r, const struct wire_stats *stats)
{
}

void report_removed(struct report *r, uint64_t tunnel)
{
}

void report_forward_removed(struct report *r, uint64_t tunnel, uint64_t forward)
{
}

void report_want_stats(struct report *r)
{
}
