/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chassis files: JSON, strictly read; docs/chassis-file.md says what stands in them. */
#pragma once

#include "common/buf.h"
#include "sim/chassis.h"

enum { SIM_CHASSIS_FILE_MAX = 8 << 20, SIM_CHASSIS_ERROR = 512 };

/**
 * sim_chassis_parse() - a chassis from the text of a file
 * @name: of the file, for errors
 * @folder: where the captures lie that it names; NULL: it may name none
 * @error: SIM_CHASSIS_ERROR bytes: "FILE:LINE:COLUMN: reason" where the text is no JSON, "FILE:
 *         /adapters/3/serial: reason" where its content cannot be
 *
 * Return: 0, -ENOMEM, REFUSE_SYNTAX or REFUSE_FIELD.
 */
MUST_USE int sim_chassis_parse(const char *text, size_t length, const char *name,
			       const char *folder, struct sim_chassis **out, char *error);
/* The same from a file; -errno, with @error, when it cannot be read. REFUSE_TOO_LARGE. */
MUST_USE int sim_chassis_read(const char *path, struct sim_chassis **out, char *error);
/* As a file that gives the same chassis again, but for captures, which it names. */
void sim_chassis_print(const struct sim_chassis *chassis, struct buf *out);
