/* SPDX-License-Identifier: MIT */
/*
 * What `tunneld --check` says about the files with which a tunnel logs in. They are no part of the
 * configuration, may come later and may be for another user than the one who checks: so only notes.
 */
#pragma once

#include "lib/connection.h"

/* Adds what is not there already: of each key, certificate, passphrase and password that is named and
 * cannot be used as it is. */
void check_files(const struct connection_settings *c, struct strv *notes);
