/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/supervisor/worker_machine.h"
#include "lib/util.h"

#define BIRTH 1000000 /* the fake clock's first reading */

static struct worker_machine running(uint64_t now)
{
	struct worker_machine m = { 0 };

	assert_int_equal(worker_machine_input(&m, WORKER_EV_START, now), WORKER_DO_SPAWN);
	assert_int_equal(m.state, WORKER_STARTING);
	assert_int_equal(worker_machine_input(&m, WORKER_EV_READY, now), WORKER_DO_HAND_OVER);
	assert_int_equal(m.state, WORKER_RUNNING);
	return m;
}

/* Dies and is born again as often as asked; returns how long the last wait was. */
static unsigned die(struct worker_machine *m, uint64_t *now, unsigned times, unsigned age_ms)
{
	unsigned wait = 0;

	for (unsigned i = 0; i < times; i++) {
		*now += age_ms;
		assert_int_equal(worker_machine_input(m, WORKER_EV_EXITED, *now), WORKER_DO_MOURN);
		assert_int_equal(m->state, WORKER_WAITING);
		wait = worker_machine_restart_in_ms(m, *now);
		if (wait > 0)
			assert_int_equal(worker_machine_tick(m, *now + wait - 1),
					 WORKER_DO_NOTHING);
		*now += wait;
		assert_int_equal(worker_machine_tick(m, *now), WORKER_DO_SPAWN);
		assert_int_equal(worker_machine_input(m, WORKER_EV_READY, *now),
				 WORKER_DO_HAND_OVER);
	}
	return wait;
}

static void test_a_death_after_a_long_life_is_followed_at_once(void **state)
{
	uint64_t now = BIRTH;
	struct worker_machine m = running(now);

	assert_int_equal(die(&m, &now, 20, WORKER_STABLE_MS), 0);
	assert_int_equal(m.restarts, 20);
}

static void test_early_deaths_wait_longer_and_longer(void **state)
{
	static const unsigned waits[] = { 0, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000 };
	uint64_t now = BIRTH;
	struct worker_machine m = running(now);

	for (size_t i = 0; i < ARRAY_SIZE(waits); i++)
		assert_int_equal(die(&m, &now, 1, 100), waits[i]);
	assert_int_equal(die(&m, &now, 1, WORKER_STABLE_MS), 0);
	assert_int_equal(die(&m, &now, 1, 100), 0);
	assert_int_equal(die(&m, &now, 1, 100), 500);
}

static void test_a_program_that_cannot_be_started_is_tried_ever_less_often(void **state)
{
	struct worker_machine m = { 0 };
	uint64_t now = BIRTH;

	worker_machine_input(&m, WORKER_EV_START, now);
	assert_int_equal(worker_machine_input(&m, WORKER_EV_SPAWN_FAILED, now), WORKER_DO_MOURN);
	assert_int_equal(worker_machine_tick(&m, now), WORKER_DO_SPAWN);
	assert_int_equal(worker_machine_input(&m, WORKER_EV_SPAWN_FAILED, now), WORKER_DO_MOURN);
	assert_int_equal(worker_machine_restart_in_ms(&m, now), 500);
}

static void test_silence_is_death(void **state)
{
	uint64_t now = BIRTH;
	struct worker_machine m = running(now);

	for (int i = 0; i < 100; i++) {
		now += 1000;
		assert_int_equal(worker_machine_tick(&m, now), WORKER_DO_NOTHING);
		worker_machine_pong(&m, now);
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(worker_machine_tick(&m, now += 1000), WORKER_DO_NOTHING);
	assert_int_equal(worker_machine_tick(&m, now += 1000), WORKER_DO_KILL);
	assert_int_equal(m.state, WORKER_DYING);
	assert_true(m.was_hung);
	assert_int_equal(worker_machine_input(&m, WORKER_EV_EXITED, now), WORKER_DO_MOURN);
	assert_int_equal(worker_machine_tick(&m, now), WORKER_DO_SPAWN);
	assert_false(m.was_hung);
}

static void test_who_never_says_ready_is_killed(void **state)
{
	struct worker_machine m = { 0 };
	uint64_t now = BIRTH;

	worker_machine_input(&m, WORKER_EV_START, now);
	worker_machine_pong(&m, now + 4000); /* not before ready */
	for (int i = 0; i < 4; i++)
		assert_int_equal(worker_machine_tick(&m, now += 1000), WORKER_DO_NOTHING);
	assert_int_equal(worker_machine_tick(&m, now += 1000), WORKER_DO_KILL);
}

static void test_a_supervisor_that_slept_kills_nobody(void **state)
{
	uint64_t now = BIRTH;
	struct worker_machine m = running(now);

	now += 60000; /* stopped for a minute */
	assert_int_equal(worker_machine_tick(&m, now), WORKER_DO_NOTHING);
	worker_machine_pong(&m, now + 10);
	assert_int_equal(worker_machine_tick(&m, now += 1000), WORKER_DO_NOTHING);
	assert_int_equal(m.state, WORKER_RUNNING);
}

static void test_but_one_that_slept_still_notices_the_hung(void **state)
{
	uint64_t now = BIRTH;
	struct worker_machine m = running(now);
	int ticks = 0;

	worker_machine_tick(&m, now += 60000);
	while (worker_machine_tick(&m, now += 1000) == WORKER_DO_NOTHING)
		assert_true(++ticks < 10);
	assert_int_equal(m.state, WORKER_DYING);
}

static void test_nonsense_is_answered_with_a_kill_once(void **state)
{
	uint64_t now = BIRTH;
	struct worker_machine m = running(now);

	assert_int_equal(worker_machine_input(&m, WORKER_EV_BROKEN, now), WORKER_DO_KILL);
	assert_int_equal(worker_machine_input(&m, WORKER_EV_BROKEN, now), WORKER_DO_NOTHING);
	assert_int_equal(worker_machine_input(&m, WORKER_EV_READY, now), WORKER_DO_NOTHING);
	assert_false(m.was_hung);
	assert_int_equal(worker_machine_input(&m, WORKER_EV_EXITED, now), WORKER_DO_MOURN);
}

static void test_who_hangs_up_gets_a_moment_to_end(void **state)
{
	uint64_t now = BIRTH;
	struct worker_machine m = running(now);

	assert_int_equal(worker_machine_input(&m, WORKER_EV_HUNG_UP, now), WORKER_DO_LET_DIE);
	assert_int_equal(worker_machine_tick(&m, now + WORKER_DYING_MS - 1), WORKER_DO_NOTHING);
	assert_int_equal(worker_machine_tick(&m, now + WORKER_DYING_MS), WORKER_DO_KILL);
	assert_false(m.was_hung);
	assert_int_equal(worker_machine_input(&m, WORKER_EV_EXITED, now), WORKER_DO_MOURN);
}

static void test_retiring_is_polite_then_not(void **state)
{
	uint64_t now = BIRTH;
	struct worker_machine m = running(now);

	assert_int_equal(worker_machine_input(&m, WORKER_EV_RETIRE, now), WORKER_DO_SHUT_DOWN);
	assert_int_equal(worker_machine_input(&m, WORKER_EV_BROKEN, now), WORKER_DO_NOTHING);
	for (int i = 0; i < 3; i++)
		assert_int_equal(worker_machine_tick(&m, now += 1000), WORKER_DO_NOTHING);
	assert_int_equal(worker_machine_tick(&m, now += 1000), WORKER_DO_KILL);
	assert_int_equal(worker_machine_input(&m, WORKER_EV_EXITED, now), WORKER_DO_FORGET);
	assert_int_equal(m.state, WORKER_GONE);
}

static void test_the_dead_and_the_unborn_retire_at_once(void **state)
{
	uint64_t now = BIRTH;
	struct worker_machine dead = running(now), unborn = { 0 };

	worker_machine_input(&dead, WORKER_EV_EXITED, now);
	assert_int_equal(worker_machine_input(&dead, WORKER_EV_RETIRE, now), WORKER_DO_FORGET);
	assert_int_equal(worker_machine_input(&unborn, WORKER_EV_RETIRE, now), WORKER_DO_FORGET);
}

static void test_no_event_in_no_state_is_a_surprise(void **state)
{
	for (int s = 0; s < WORKER_STATE_COUNT; s++) {
		for (int e = 0; e < WORKER_EVENT_COUNT; e++) {
			struct worker_machine m = { .state = s, .started_ms = BIRTH };

			worker_machine_input(&m, e, BIRTH);
			assert_in_range(m.state, 0, WORKER_STATE_COUNT - 1);
			assert_non_null(worker_state_name(m.state));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_death_after_a_long_life_is_followed_at_once),
		cmocka_unit_test(test_early_deaths_wait_longer_and_longer),
		cmocka_unit_test(test_a_program_that_cannot_be_started_is_tried_ever_less_often),
		cmocka_unit_test(test_silence_is_death),
		cmocka_unit_test(test_who_never_says_ready_is_killed),
		cmocka_unit_test(test_a_supervisor_that_slept_kills_nobody),
		cmocka_unit_test(test_but_one_that_slept_still_notices_the_hung),
		cmocka_unit_test(test_nonsense_is_answered_with_a_kill_once),
		cmocka_unit_test(test_who_hangs_up_gets_a_moment_to_end),
		cmocka_unit_test(test_retiring_is_polite_then_not),
		cmocka_unit_test(test_the_dead_and_the_unborn_retire_at_once),
		cmocka_unit_test(test_no_event_in_no_state_is_a_surprise),
	};

	return cmocka_run_group_tests_name("worker_machine", tests, NULL, NULL);
}
