/* SPDX-License-Identifier: MIT */
#include "ctl/human.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/util.h"

char *human_bytes(char out[HUMAN_MAX], uint64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(out, HUMAN_MAX, "%u B", (unsigned)bytes);
		return out;
	}
	/* 1023.6 would be shown as 1024. */
	for (; value >= 1023.5 && unit + 1 < ARRAY_SIZE(units); unit++)
		value /= 1024;
	snprintf(out, HUMAN_MAX, value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return out;
}

char *human_duration(char out[HUMAN_MAX], uint64_t duration_ms)
{
	unsigned long long s = duration_ms / 1000, minute = 60, hour = 3600, day = 86400;

	if (s < minute)
		snprintf(out, HUMAN_MAX, "%llus", s);
	else if (s < 10 * minute)
		snprintf(out, HUMAN_MAX, "%llum%02llus", s / minute, s % minute);
	else if (s < hour)
		snprintf(out, HUMAN_MAX, "%llum", s / minute);
	else if (s < day)
		snprintf(out, HUMAN_MAX, "%lluh%02llum", s / hour, s % hour / minute);
	else if (s < 10 * day)
		snprintf(out, HUMAN_MAX, "%llud%lluh", s / day, s % day / hour);
	else
		snprintf(out, HUMAN_MAX, "%llud", s / day);
	return out;
}

char *human_rtt(char out[HUMAN_MAX], double rtt_ms)
{
	if (rtt_ms < 9.95)
		snprintf(out, HUMAN_MAX, "%.1f ms", rtt_ms);
	else if (rtt_ms < 999.5)
		snprintf(out, HUMAN_MAX, "%.0f ms", rtt_ms);
	else
		snprintf(out, HUMAN_MAX, "%.1f s", rtt_ms / 1000);
	return out;
}

char *human_count(char out[HUMAN_MAX], uint64_t count)
{
	snprintf(out, HUMAN_MAX, "%llu", (unsigned long long)count);
	return out;
}

char *human_time(char out[HUMAN_MAX], int64_t realtime_ms)
{
	time_t seconds = realtime_ms / 1000;
	struct tm local;

	if (realtime_ms < 0 || !localtime_r(&seconds, &local) ||
	    strftime(out, HUMAN_MAX, "%Y-%m-%d %H:%M:%S", &local) == 0)
		snprintf(out, HUMAN_MAX, "-");
	return out;
}

char *human_setting_ms(char out[HUMAN_MAX], uint64_t ms)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = { { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } };
	size_t used = 0;

	snprintf(out, HUMAN_MAX, "0");
	for (size_t i = 0; i < ARRAY_SIZE(units) && used + 1 < HUMAN_MAX; i++) {
		if (ms < units[i].ms)
			continue;
		used += (size_t)snprintf(out + used, HUMAN_MAX - used, "%llu%s",
					 (unsigned long long)(ms / units[i].ms), units[i].unit);
		ms %= units[i].ms;
	}
	return out;
}

/* "Z" or "+02:00" as seconds east of Greenwich. */
static int parse_offset(const char *text, long *ret_seconds)
{
	int hours, minutes, length = 0;

	*ret_seconds = 0;
	if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
		return 0;
	if (*text != '+' && *text != '-')
		return -1;
	if (sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &length) != 2 || length != 5 ||
	    text[6] != '\0')
		return -1;
	*ret_seconds = (hours * 3600L + minutes * 60L) * (*text == '-' ? -1 : 1);
	return 0;
}

int64_t human_parse_time(const char *text)
{
	struct tm utc = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);
	int64_t fraction_ms = 0;
	long offset;

	if (!rest)
		return -1;
	if (*rest == '.') {
		int scale = 100;

		for (rest++; isdigit((unsigned char)*rest); rest++, scale /= 10)
			fraction_ms += (*rest - '0') * scale;
	}
	if (parse_offset(rest, &offset) < 0)
		return -1;
	return ((int64_t)timegm(&utc) - offset) * 1000 + fraction_ms;
}
