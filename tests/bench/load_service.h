/* SPDX-License-Identifier: MIT */
/* The service behind the tunnel: loopback ports that send, swallow and echo. */
#pragma once

/* Prints the ports as one line of JSON and serves until stdin ends. */
int mode_serve(char **args);
