/* SPDX-License-Identifier: MIT */
/*
 * What the servers of a tunnel may want to know from a person, as it is named where it is kept
 * (secrets.h): the password of each server (connection_name()), the passphrase of each key. Tunnels that go through the
 * same server or use the same key want the same.
 */
#pragma once

#include "lib/config.h"
#include "lib/question.h"

/* Whether it does for any of them; asked for one after the other, some more than once. */
typedef bool (*wanted_secret_fn)(void *data, enum question_kind kind, const char *subject);
bool wanted_secrets_any(const struct config_tunnel *spec, wanted_secret_fn does, void *data);
