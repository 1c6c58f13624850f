/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/network.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "daemon/common/log.h"
#include "lib/util.h"

#define BURST_MS 300 /* an interface that comes up sends a dozen messages */
#define PROLONGED_MIN 100 /* 1 s: younger addresses may still be on their way to be usable */
#define SLEPT_MS 2000 /* shorter than this nobody noticed */

/* ---- rtnetlink ---- */

/* An address is told again each time its lifetime is prolonged, which IPv6 routers do every few
 * seconds to minutes. Its times are in hundredths of a second (struct ifa_cacheinfo). */
static bool is_prolonged(const struct nlmsghdr *message, const struct ifaddrmsg *address)
{
	struct rtattr *attribute = IFA_RTA(address);
	unsigned left = (unsigned)IFA_PAYLOAD(message);

	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		const struct ifa_cacheinfo *times = RTA_DATA(attribute);

		if (attribute->rta_type == IFA_CACHEINFO &&
		    RTA_PAYLOAD(attribute) >= sizeof(*times))
			return times->tstamp - times->cstamp > PROLONGED_MIN;
	}
	return false;
}

static bool is_news(const struct nlmsghdr *message)
{
	const struct rtmsg *route = NLMSG_DATA(message);
	const struct ifaddrmsg *address = NLMSG_DATA(message);

	switch (message->nlmsg_type) {
	case RTM_NEWADDR:
		return message->nlmsg_len >= NLMSG_LENGTH(sizeof(*address)) &&
		       address->ifa_scope != RT_SCOPE_HOST && !is_prolonged(message, address);
	case RTM_NEWROUTE:
		return message->nlmsg_len >= NLMSG_LENGTH(sizeof(*route)) &&
		       route->rtm_dst_len == 0 && route->rtm_type == RTN_UNICAST;
	default:
		return false;
	}
}

static bool has_news(const char *bytes, size_t size)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)bytes;
	unsigned left = (unsigned)size;

	for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
		if (is_news(message))
			return true;
	}
	return false;
}

static void on_route(void *data, unsigned ready)
{
	struct network *n = data;
	char bytes[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
	ssize_t size = recv(n->route_fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	bool overrun = size < 0 && errno == ENOBUFS; /* so much happened that some was dropped */

	if ((overrun || (size > 0 && has_news(bytes, (size_t)size))) &&
	    !loop_timer_is_set(&n->burst))
		loop_timer_set(&n->burst, BURST_MS);
}

static int open_route(struct network *n, struct loop *loop)
{
	struct sockaddr_nl groups = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
			     RTMGRP_IPV6_ROUTE,
	};

	n->route_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (n->route_fd < 0 || bind(n->route_fd, (struct sockaddr *)&groups, sizeof(groups)) < 0) {
		log_info("changes of the network will not be noticed: rtnetlink: %s",
			 strerror(errno));
		closep(&n->route_fd);
		return 0;
	}
	return loop_io_open(&n->route_io, loop, n->route_fd, LOOP_READ, on_route, n);
}

/* ---- suspend ---- */

static int64_t clock_ms(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* CLOCK_BOOTTIME goes on while the machine sleeps, CLOCK_MONOTONIC does not. */
static int64_t asleep_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME) - clock_ms(CLOCK_MONOTONIC);
}

/* A timer that never fires, but is canceled when the wall clock jumps: waking up is such a jump. */
static void arm_clock(struct network *n)
{
	struct itimerspec never = { .it_value = { .tv_sec = clock_ms(CLOCK_REALTIME) / 1000 +
							    10LL * 365 * 24 * 3600 } };

	timerfd_settime(n->clock_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}

static void on_clock(void *data, unsigned ready)
{
	struct network *n = data;
	int64_t asleep = asleep_ms();
	uint64_t count;

	if (read(n->clock_fd, &count, sizeof(count)) < 0 && errno == EAGAIN)
		return;
	arm_clock(n);
	if (asleep - n->asleep_ms < SLEPT_MS)
		return; /* somebody set the clock */
	log_info("woke up after %lld s of suspend", (long long)(asleep - n->asleep_ms) / 1000);
	n->asleep_ms = asleep;
	n->on_change(n->data);
}

static int open_clock(struct network *n, struct loop *loop)
{
	n->asleep_ms = asleep_ms();
	n->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (n->clock_fd < 0) {
		log_info("waking from suspend will not be noticed: timerfd: %s", strerror(errno));
		return 0;
	}
	arm_clock(n);
	return loop_io_open(&n->clock_io, loop, n->clock_fd, LOOP_READ, on_clock, n);
}

/* ---- both ---- */

static void on_burst_over(void *data)
{
	struct network *n = data;

	log_debug("the network changed");
	n->on_change(n->data);
}

int network_open(struct network *n, struct loop *loop, void (*on_change)(void *data), void *data)
{
	*n = (struct network){
		.route_fd = -1, .clock_fd = -1, .on_change = on_change, .data = data
	};
	if (loop_timer_open(&n->burst, loop, on_burst_over, n) < 0 || open_route(n, loop) < 0 ||
	    open_clock(n, loop) < 0) {
		network_close(n);
		return -1;
	}
	return 0;
}

void network_close(struct network *n)
{
	if (!n->on_change)
		return;
	loop_io_close(&n->route_io);
	loop_io_close(&n->clock_io);
	loop_timer_close(&n->burst);
	closep(&n->route_fd);
	closep(&n->clock_fd);
	n->on_change = NULL;
}
