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

#include "daemon/worker/agent.h"
#include "daemon/worker/forward_direct.h"
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

/* ---- the agent: cannot be asked, what it has is noted ---- */

struct agent *agent_new(struct loop *loop, const char *path, void (*progress)(void *data),
			void *data, struct err *err)
{
	return NULL;
}

void agent_free(struct agent *a)
{
}

void agent_ask_keys(struct agent *a, unsigned limit_ms)
{
}

enum step agent_step(struct agent *a, struct err *err)
{
	return STEP_WAIT;
}

struct ssh_span agent_answer(const struct agent *a)
{
	return (struct ssh_span){ 0 };
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
			    const struct attempt_for *purpose, const struct attempt_ops *ops,
			    void *data, struct err *err)
{
	struct attempt *a = calloc(1, sizeof(*a));

	assert_in_range(purpose->route, 0, CONFIG_ROUTES_MAX - 1);
	assert_true(!script.living || script.living != script.to[purpose->route]);
	a->purpose = purpose;
	a->route = purpose->route;
	script.to[a->route] = a;
	a->ops = ops;
	a->data = data;
	script.living = a;
	script.started++;
	return a;
}

void attempt_free(struct attempt *a)
{
	if (!a)
		return;
	if (script.to[a->route] == a)
		script.to[a->route] = NULL;
	if (script.living == a)
		script.living = NULL;
	free(a);
}

enum step attempt_connect(struct attempt *a, struct err *err)
{
	if (script.fails[a->route]) {
		*err = script.why_route[a->route];
		return STEP_FAIL;
	}
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

void attempt_finish(struct attempt *a)
{
}

struct session *attempt_session(struct attempt *a)
{
	return (struct session *)a;
}

struct session *attempt_take_session(struct attempt *a)
{
	return (struct session *)a;
}

void attempt_explain(const struct attempt *a, struct err *err)
{
}

bool attempt_lacks_key(const struct attempt *a)
{
	return script.lacks_key[a->route];
}

unsigned session_member_count(const struct session *s)
{
	return script.channels;
}

bool session_is_cancelling(const struct session *s)
{
	return heard.cancelling;
}

bool parting_is_due(const struct session *s)
{
	return heard.cancelling || script.channels > 0;
}

struct parting *parting_new(struct partings *ps, struct session *s, parting_fn on_over, void *data)
{
	heard.cancelling = false;
	heard.parted = on_over;
	heard.parting = data;
	return (struct parting *)&heard;
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

void session_pump(struct session *s)
{
}

uint64_t session_heard_ms(const struct session *s)
{
	return 0;
}

/* ---- jumps: all of them at once, in the state the test says ---- */

int jump_join(struct jumps *js, struct jump_user *user, const struct config_hop *hops, size_t count,
	      enum jump_haste haste, struct err *err)
{
	assert_null(user->jump);
	user->jump = (struct jump *)&script;
	heard.jump = user;
	heard.joined++;
	heard.haste = haste;
	return 0;
}

void jump_leave(struct jump_user *user)
{
	user->jump = NULL;
	heard.jump = NULL;
}

void jump_hurry(struct jump_user *user)
{
}

void jump_suspect(struct jump_user *user)
{
	heard.suspected += user != NULL;
}

bool jump_is_asked(struct jump_user *user, uint64_t since_ms)
{
	return user && script.jump_is_in_question;
}

void jump_blame(struct jump_user *user, uint64_t since_ms)
{
	if (user && script.jump_is_silent) {
		script.jump_is_up = false;
		err_set(&script.jump_failure, ERR_KEEPALIVE, "scripted silence");
	}
}

const char *jump_way(const struct jump_user *user)
{
	return "jump";
}

struct session *jump_session(const struct jump_user *user)
{
	return user->jump && script.jump_is_up ? (struct session *)&script : NULL;
}

const struct err *jump_failure(const struct jump_user *user, size_t *ret_hop)
{
	if (!user->jump || script.jump_failure.code == ERR_NONE)
		return NULL;
	*ret_hop = script.failing_jump;
	return &script.jump_failure;
}

bool jump_lacks_key(const struct jump_user *user)
{
	return script.lacks_key[user->route];
}

void jump_describe(const struct jump_user *user, struct wire_hop *ret)
{
	ret[0].state = script.jump_is_up ? HOP_UP : HOP_CONNECTING;
}

/* ---- a forward that only remembers what it was told ---- */

static struct fake_forward *fake(struct forward *f)
{
	return (struct fake_forward *)f;
}

struct forward *forward_new(const struct worker_parts *parts, const struct wire_forward *about,
			    struct config_forward *spec, unsigned hold_ms,
			    const struct forward_ops *ops, void *data, struct err *err)
{
	struct fake_forward *f = calloc(1, sizeof(*f));

	f->base.spec = *spec;
	f->base.id = about->forward;
	f->base.ops = ops;
	f->base.data = data;
	f->base.told = FORWARD_OPEN;
	list_init(&f->base.home.list);
	heard.forward = f;
	return &f->base;
}

void forward_free(struct forward *f)
{
	list_remove(&f->link);
	config_forward_fini(&f->spec);
	free(f);
}

void forward_retire(struct forward *f)
{
	forward_free(f);
}

int forward_set_sockets(struct forward *f, int *fds, size_t count, size_t expected,
			const struct err *error)
{
	fake(f)->error = *error;
	return 0;
}

int forward_add_sockets(struct forward *f, int *fds, size_t count)
{
	return 0;
}

void forward_set_hold(struct forward *f, unsigned hold_ms)
{
}

void forward_serve(struct forward *f, struct session *s)
{
	fake(f)->told = TOLD_SERVE;
	f->told = fake(f)->opening ? FORWARD_OPENING : FORWARD_OPEN;
}

void forward_hold(struct forward *f)
{
	fake(f)->told = TOLD_HOLD;
}

void forward_refuse(struct forward *f)
{
	fake(f)->told = TOLD_REFUSE;
}

void forward_take_leave(struct forward *f)
{
	heard.cancelling |= fake(f)->listens_remotely;
}

void forward_change_server(struct forward *f)
{
	heard.servers_changed++;
}

bool forward_is_waiting(const struct forward *f)
{
	return ((const struct fake_forward *)f)->waiting;
}

const struct err *forward_error(const struct forward *f)
{
	return &((const struct fake_forward *)f)->error;
}

void forward_describe(const struct forward *f, struct wire_forward_state *ret)
{
	*ret = (struct wire_forward_state){ .forward = f->id, .state = f->told };
}

struct forward *forward_from_link(struct list *link)
{
	return list_entry(link, struct forward, link);
}

void forward_changes(struct fake_forward *f, const struct err *error)
{
	f->error = error ? *error : (struct err){ 0 };
	f->base.setup_error = f->error;
	f->opening = false;
	f->base.told = error ? FORWARD_FAILED : FORWARD_OPEN;
	f->base.ops->on_change(f->base.data, &f->base);
}

/* ---- connections: none ---- */

void connection_home_end_all(struct connection_home *home, bool reset)
{
	list_entry(home, struct fake_forward, base.home)->cut += reset;
}

void connection_end(struct connection *c, bool reset)
{
}

struct connection *connection_home_find(const struct connection_home *home, uint64_t id)
{
	return NULL;
}

void connection_describe(const struct connection *c, struct wire_connection *ret)
{
}

struct connection *connection_from_link(struct list *link)
{
	return NULL;
}

struct forward *forward_direct_new(const struct worker_parts *parts, uint64_t tunnel,
				   const struct forward_ops *ops, void *data, struct err *err)
{
	err_nomem(err);
	return NULL;
}

void forward_direct_connect(struct forward *f, uint64_t call, struct config_end *target,
			    unsigned hold_ms)
{
}

bool forward_direct_attach(struct forward *f, uint64_t call, int *fd)
{
	return false;
}

bool forward_direct_cancel(struct forward *f, uint64_t call)
{
	return false;
}

/* ---- reports are kept as a line of words ---- */

void report_tunnel(struct report *r, const struct wire_tunnel_state *state)
{
	size_t used = strlen(heard.states);

	heard.last = *state;
	memcpy(heard.jumps, state->jumps, state->jump_count * sizeof(*state->jumps));
	snprintf(heard.states + used, sizeof(heard.states) - used, "%s%s", used ? " " : "",
		 tunnel_state_name(state->state));
}

void report_route(struct report *r, const struct wire_route_state *state)
{
	heard.routes[state->route] = state->state;
	heard.route_errors[state->route] = state->error;
	heard.route_reports++;
}

void report_forward(struct report *r, const struct wire_forward_state *state)
{
}

void report_stats(struct report *r, const struct wire_stats *stats)
{
}

void report_removed(struct report *r, uint64_t tunnel)
{
	heard.removed++;
}

void report_forward_removed(struct report *r, uint64_t tunnel, uint64_t forward)
{
}

void report_connected(struct report *r, uint64_t call, const struct err *err)
{
	heard.connect_error = err ? *err : (struct err){ 0 };
}

void report_want_stats(struct report *r)
{
}
