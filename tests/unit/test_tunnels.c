/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/supervisor/status.h"
#include "daemon/supervisor/tunnels.h"
#include "lib/util.h"

/* Settings as the registry sees them: a name and some forwards. */
static struct config_forward forwards[] = {
	{ .name = (char *)"one", .listen.host = (char *)"127.0.0.1", .listen.port = 1 },
	{ .name = (char *)"two", .listen.host = (char *)"127.0.0.1", .listen.port = 2 },
};

static struct config_tunnel spec(const char *name)
{
	return (struct config_tunnel){ .name = (char *)name,
				       .forwards = forwards,
				       .forward_count = ARRAY_SIZE(forwards) };
}

static struct wire_tunnel_state report(enum tunnel_state state, enum err_code code,
				       const char *message)
{
	struct wire_tunnel_state r = { .state = state, .attempt = 1 };

	if (code)
		err_set(&r.error, code, "%s", message);
	return r;
}

static void test_names_are_found_in_order(void **state)
{
	static const char *const names[] = { "m", "a", "z", "b", "0", "y" };
	struct config_tunnel specs[ARRAY_SIZE(names)];
	struct tunnels ts;
	struct tunnel *t;

	tunnels_init(&ts);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		specs[i] = spec(names[i]);
		assert_non_null(tunnels_add(&ts, &specs[i]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		t = tunnels_find(&ts, names[i]);
		assert_string_equal(t->name, names[i]);
		assert_ptr_equal(tunnels_find_id(&ts, t->id), t);
	}
	assert_null(tunnels_find(&ts, "c"));
	assert_string_equal(tunnels_after(&ts, NULL)->name, "0");
	assert_string_equal(tunnels_after(&ts, "b")->name, "m");
	assert_string_equal(tunnels_after(&ts, "c")->name, "m");
	assert_null(tunnels_after(&ts, "z"));
	tunnels_fini(&ts);
}

static void note(bool *seen, uint64_t id)
{
	assert_in_range(id, 1, 999);
	assert_false(seen[id]);
	seen[id] = true;
}

static void test_ids_are_never_given_twice(void **state)
{
	struct config_tunnel s = spec("t");
	bool seen[1000] = { false };
	struct tunnels ts;

	tunnels_init(&ts);
	for (int i = 0; i < 100; i++) {
		struct tunnel *t = tunnels_add(&ts, &s);
		struct forward *f;
		uint64_t before;

		note(seen, t->id);
		list_for_each (f, &t->forwards, link) {
			before = f->id;
			note(seen, before);
			assert_ptr_equal(tunnel_find_forward(t, before), f);
			forward_renew(f);
			note(seen, f->id);
			assert_null(tunnel_find_forward(t, before));
		}
		before = t->id;
		tunnels_remove(t);
		assert_null(tunnels_find_id(&ts, before));
	}
	assert_int_equal(ts.count, 0);
	tunnels_fini(&ts);
}

struct ears {
	unsigned states, details, removed;
};

static void on_event(void *data, struct tunnel *t, enum tunnel_event event)
{
	struct ears *ears = data;

	ears->states += event == TUNNEL_EV_STATE;
	ears->details += event == TUNNEL_EV_DETAIL;
	ears->removed += event == TUNNEL_EV_REMOVED;
}

static void test_a_change_is_told_counted_and_remembered_once(void **state)
{
	struct ears ears = { 0 };
	struct tunnels_observer observer = { .on_event = on_event, .data = &ears };
	struct config_tunnel s = spec("t");
	struct wire_tunnel_state r = report(TUNNEL_BACKOFF, ERR_REFUSED, "no");
	struct tunnels ts;
	struct tunnel *t;

	tunnels_init(&ts);
	tunnels_observe(&ts, &observer);
	t = tunnels_add(&ts, &s);
	assert_int_equal(ts.in_state[TUNNEL_STOPPED], 1);
	tunnel_enter(t, &r);
	r.attempt = 2;
	tunnel_enter(t, &r); /* the same reason again: a detail */
	assert_int_equal(t->attempt, 2);
	assert_int_equal(ears.states, 1);
	assert_int_equal(ears.details, 1);
	assert_int_equal(t->history.count, 1);
	assert_int_equal(ts.in_state[TUNNEL_STOPPED], 0);
	assert_int_equal(ts.in_state[TUNNEL_BACKOFF], 1);

	r = report(TUNNEL_BACKOFF, ERR_TIMEOUT, "late"); /* another reason */
	tunnel_enter(t, &r);
	assert_int_equal(ears.states, 2);
	assert_string_equal(t->error->msg, "late");

	r = report(TUNNEL_UP, ERR_NONE, NULL);
	tunnel_enter(t, &r);
	assert_null(t->error);
	assert_int_equal(t->retry_at_ms, 0);
	tunnels_remove(t);
	assert_int_equal(ears.removed, 1);
	assert_int_equal(ts.in_state[TUNNEL_UP], 0);
	tunnels_fini(&ts);
}

static void test_what_a_dead_process_counted_stays(void **state)
{
	struct config_tunnel s = spec("t");
	struct tunnels ts;
	struct tunnel *t;

	tunnels_init(&ts);
	t = tunnels_add(&ts, &s);
	t->counters = (struct wire_counters){ 10, 20, 3, 4 };
	tunnel_fold_counters(t);
	t->counters = (struct wire_counters){ 1, 2, 1, 1 };
	tunnel_fold_counters(t);
	assert_int_equal(t->before.bytes_in, 11);
	assert_int_equal(t->before.bytes_out, 22);
	assert_int_equal(t->before.connections, 0); /* none of them is open any more */
	assert_int_equal(t->before.connections_total, 5);
	tunnels_fini(&ts);
}

static void test_the_port_a_server_chose_is_remembered(void **state)
{
	struct config_forward remote = { .name = (char *)"r", .type = FORWARD_REMOTE };
	struct config_tunnel s = { .name = (char *)"t", .forwards = &remote, .forward_count = 1 };
	struct wire_forward_state r = { .state = FORWARD_OPEN, .port = 4711, .note = "hint" };
	struct tunnels ts;
	struct forward *f;

	tunnels_init(&ts);
	f = list_first(&tunnels_add(&ts, &s)->forwards, struct forward, link);
	assert_true(forward_enter(f, &r));
	assert_false(forward_enter(f, &r));
	assert_int_equal(f->port, 4711);
	assert_string_equal(f->note, "hint");
	assert_true(forward_enter_plain(f, FORWARD_CLOSED, NULL));
	assert_int_equal(f->port, 0);
	assert_int_equal(f->bound_port, 4711);
	assert_null(f->note);

	remote.listen.port = 22; /* then a server has no choice */
	forward_enter(f, &r);
	assert_int_equal(f->port, 22);
	remote.type = FORWARD_LOCAL;
	forward_enter(f, &r);
	assert_int_equal(f->port, 0);
	tunnels_fini(&ts);
}

static void test_history_keeps_the_last_ones(void **state)
{
	struct history h = { 0 };
	struct err err;

	for (unsigned i = 0; i < 1000; i++) {
		err_set(&err, ERR_LOST, "number %u", i);
		history_add(&h, i, TUNNEL_BACKOFF, i % 2 ? &err : NULL);
		assert_int_equal(h.count, MIN(i + 1, HISTORY_MAX));
		assert_int_equal(history_at(&h, h.count - 1U)->at_ms, i);
	}
	for (size_t i = 0; i < h.count; i++)
		assert_int_equal(history_at(&h, i)->at_ms, 1000 - HISTORY_MAX + i);
	assert_null(history_at(&h, 0)->message);
	assert_int_equal(history_at(&h, 0)->code, ERR_NONE);
	assert_string_equal(history_at(&h, h.count - 1U)->message, "number 999");
	history_fini(&h);
}

static void test_a_quiet_tunnel_costs_little(void **state)
{
	struct history h = { 0 };

	for (int s = TUNNEL_CONNECTING; s <= TUNNEL_UP; s++)
		history_add(&h, 0, s, NULL);
	assert_true(sizeof(struct tunnel) + 2 * sizeof(struct forward) +
			    h.capacity * sizeof(*h.events) <
		    2048);
	history_fini(&h);
}

static void test_status_line(void **state)
{
	struct tunnels ts;
	char text[STATUS_TEXT_MAX];

	tunnels_init(&ts);
	assert_string_equal(status_text(text, &ts), "no tunnels");
	ts.in_state[TUNNEL_UP] = 12;
	ts.in_state[TUNNEL_BACKOFF] = 1;
	assert_string_equal(status_text(text, &ts), "12 up, 1 backoff");
	for (int s = 0; s < TUNNEL_STATE_COUNT; s++)
		ts.in_state[s] = 1000000;
	assert_string_equal(status_text(text, &ts),
			    "1000000 up, 1000000 degraded, 4000000 connecting, 1000000 backoff, "
			    "1000000 failed, 1000000 stopped");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_found_in_order),
		cmocka_unit_test(test_ids_are_never_given_twice),
		cmocka_unit_test(test_a_change_is_told_counted_and_remembered_once),
		cmocka_unit_test(test_what_a_dead_process_counted_stays),
		cmocka_unit_test(test_the_port_a_server_chose_is_remembered),
		cmocka_unit_test(test_history_keeps_the_last_ones),
		cmocka_unit_test(test_a_quiet_tunnel_costs_little),
		cmocka_unit_test(test_status_line),
	};

	return cmocka_run_group_tests_name("tunnels", tests, NULL, NULL);
}
