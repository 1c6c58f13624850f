/* SPDX-License-Identifier: MIT */
/*
 * What a stream over a long link carries, with a libssh that opens its window as 0.11 does: a whole
 * window with every round trip, whatever the sizes of packets. And when a 0.10 has to be asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/worker/channel_window.h"
#include "lib/util.h"

/* Both ends of a link on which a round trip takes longer than everything else. */
struct stream {
	struct channel_window ours;
	size_t window; /* of libssh: what it has told the server, less what came */
	size_t buffered; /* in libssh: came, and was not taken */
	size_t allowed; /* the server may send it */
	size_t returned; /* on its way back to the server */
};

static void begin(struct stream *s, size_t window)
{
	*s = (struct stream){ .window = window, .allowed = window };
	channel_window_init(&s->ours, true, window);
}

/* grow_window() of libssh 0.11 */
static void libssh_looks(struct stream *s)
{
	size_t more = CHANNEL_WINDOW_SIZE - s->window - s->buffered;

	if (more < CHANNEL_WINDOW_SIZE / 2)
		return;
	s->window += more;
	s->returned += more;
}

static void take_at_once(struct stream *s, size_t at_most)
{
	size_t n = channel_window_portion(&s->ours, MIN(s->buffered, at_most));

	s->buffered -= n;
	channel_window_passed(&s->ours, n);
	if (n > 0)
		libssh_looks(s);
}

static void take_later(struct stream *s)
{
	size_t n = s->buffered;

	s->buffered = 0;
	channel_window_taken(&s->ours, n);
	libssh_looks(s);
}

/* Everything the server may send comes, in packets, and what that returns to it arrives there. Returns how
 * much came. The client takes so much of each packet at once, and the rest before the next one. */
static size_t round_trip(struct stream *s, size_t packet, size_t at_most)
{
	size_t came = s->allowed;

	for (size_t left = came; left > 0;) {
		size_t n = MIN(left, packet);

		left -= n;
		s->window -= n;
		s->buffered += n;
		take_at_once(s, at_most);
		if (at_most < packet)
			take_later(s);
	}
	if (s->buffered > 0)
		take_later(s);
	s->allowed = s->returned;
	s->returned = 0;
	return came;
}

static void test_a_round_trip_carries_a_window(void **state)
{
	static const size_t packets[] = { 32768, 32740, 32000, 16384, 7001, 1448, 100000 };

	for (size_t i = 0; i < ARRAY_SIZE(packets); i++) {
		struct stream s;

		begin(&s, CHANNEL_WINDOW_SIZE);
		for (int trip = 0; trip < 20; trip++)
			assert_int_equal(round_trip(&s, packets[i], SIZE_MAX), CHANNEL_WINDOW_SIZE);
	}
}

static void test_so_it_does_when_the_server_opened_the_channel(void **state)
{
	struct stream s;

	begin(&s, CHANNEL_WINDOW_ACCEPTED);
	assert_int_equal(round_trip(&s, 32740, SIZE_MAX), CHANNEL_WINDOW_ACCEPTED);
	for (int trip = 0; trip < 20; trip++)
		assert_int_equal(round_trip(&s, 32740, SIZE_MAX), CHANNEL_WINDOW_SIZE);
}

/* What a client takes late goes beyond the half; the next one who takes at once makes up for it. */
static void test_a_client_that_was_slow(void **state)
{
	struct stream s;

	begin(&s, CHANNEL_WINDOW_SIZE);
	for (int trip = 0; trip < 20; trip++)
		round_trip(&s, 32740, 1000);
	round_trip(&s, 32740, SIZE_MAX);
	round_trip(&s, 32740, SIZE_MAX);
	for (int trip = 0; trip < 20; trip++)
		assert_int_equal(round_trip(&s, 32740, SIZE_MAX), CHANNEL_WINDOW_SIZE);
}

static void test_a_portion_is_never_nothing(void **state)
{
	struct channel_window w;

	channel_window_init(&w, true, CHANNEL_WINDOW_SIZE);
	assert_int_equal(channel_window_portion(&w, 0), 0);
	for (size_t taken = 0; taken < 3 * CHANNEL_WINDOW_SIZE; taken += 4099) {
		assert_in_range(channel_window_portion(&w, 5000), 1, 5000);
		channel_window_taken(&w, 4099);
	}
}

static void test_a_window_that_has_to_be_widened(void **state)
{
	struct channel_window w;

	channel_window_init(&w, false, CHANNEL_WINDOW_SIZE);
	assert_int_equal(channel_window_portion(&w, SIZE_MAX), SIZE_MAX);
	channel_window_passed(&w, 256 * 1024 - 1);
	assert_false(channel_window_is_due(&w));
	channel_window_taken(&w, CHANNEL_WINDOW_SIZE); /* late: it is not the window that limits */
	assert_false(channel_window_is_due(&w));
	channel_window_passed(&w, 1);
	assert_true(channel_window_is_due(&w));
	channel_window_widened(&w);
	assert_false(channel_window_is_due(&w));
	channel_window_passed(&w, CHANNEL_WINDOW_SIZE);
	assert_true(channel_window_is_due(&w));
}

static void test_libssh_that_widens_it_itself(void **state)
{
	struct channel_window w;

	channel_window_init(&w, true, CHANNEL_WINDOW_SIZE);
	channel_window_passed(&w, 2 * CHANNEL_WINDOW_SIZE);
	assert_false(channel_window_is_due(&w));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_round_trip_carries_a_window),
		cmocka_unit_test(test_so_it_does_when_the_server_opened_the_channel),
		cmocka_unit_test(test_a_client_that_was_slow),
		cmocka_unit_test(test_a_portion_is_never_nothing),
		cmocka_unit_test(test_a_window_that_has_to_be_widened),
		cmocka_unit_test(test_libssh_that_widens_it_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
