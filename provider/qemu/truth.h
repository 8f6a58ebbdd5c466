/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is bound where, from what the blades' QEMUs have answered. Pure.
 *
 * The id of a binding carries the truth (struct qemu_id): whoever scans finds out by QMP alone
 * which adapter it is, for which generation and by which attempt. It is never used twice. What
 * belongs to the pool by its evidence (image, serial, MAC) under any other id is a foreign binding.
 */
#pragma once

#include "provider/qemu/chassis.h"
#include "provider/qemu/qmp.h"

/* "fab-1a2b3c4d-g12-a345-n0badcafe", and "-i" behind it where the MAC was told to be so. */
struct qemu_id {
	char key[16];
	uint64_t generation;
	uint64_t attempt;
	uint32_t nonce;
	bool has_identity;
};

void qemu_id_format(const struct qemu_id *id, char out[static QMP_NAME_MAX]);
/* False when it is none of ours. */
bool qemu_id_parse(const char *text, struct qemu_id *out);

/* One device of a blade. */
struct qemu_part {
	char path[QMP_PATH_MAX]; /* in QEMU's tree: "/machine/peripheral/dn0" */
	char type[QMP_NAME_MAX];
	char bus[QMP_PATH_MAX];    /* that it sits on: "/machine/peripheral/dn0/dn0"; empty: none */
	char serial[QMP_NAME_MAX]; /* empty: none */
	char node[QMP_NAME_MAX];   /* "drive": of its image; empty: none */
	char netdev[QMP_NAME_MAX]; /* empty: none */
	uint64_t mac;              /* 0: none */
	bool is_dead;              /* "realized" is false: nothing answers there */
	bool is_known;             /* all the above was asked for and answered */
};

/* An image that a device of a blade has open. */
struct qemu_image {
	char device[QMP_PATH_MAX]; /* path of the device, or of what is in it */
	uint32_t adapter;          /* whose image it is: handle; 0: of none in the pool */
};

/* All of one blade. */
struct qemu_content {
	struct qemu_part *parts;
	struct qemu_image *images;
	size_t part_count;
	size_t image_count;
};

void qemu_content_done(struct qemu_content *content);
OWNED_BY_VALUE(struct qemu_content, qemu_content_done)

/* NULL: none. The last component of a part's path; the whole path for one outside peripheral. */
struct qemu_part *qemu_content_find(const struct qemu_content *content, const char *path);
/* Takes the part out, and the images that it had open. */
void qemu_content_remove(struct qemu_content *content, struct qemu_part *part);
/* The device's id: NULL for one without. */
const char *qemu_part_id(const struct qemu_part *part);
/* The vport of @host that the part sits at or behind; 0: at none. */
uint16_t qemu_part_vport(const struct qemu_content *content, const struct qemu_host *host,
			 const struct qemu_part *part);

enum qemu_blade_state {
	QEMU_BLADE_STARTING, /* it is not known yet which of the others */
	QEMU_BLADE_UP,
	QEMU_BLADE_HUNG, /* the process is there, and QMP does not answer in time */
	QEMU_BLADE_OFF,  /* no process */
};

const char *qemu_blade_state_text(enum qemu_blade_state state);

/* What the judgement needs of one blade. */
struct qemu_sight {
	enum qemu_blade_state state;
	bool is_whole; /* @content is all that it had when it was last looked at, and it was looked
			* at since its process started */
	const struct qemu_content *content;
	const uint32_t *maybe; /* functions that commands without an answer may have bound there */
	size_t maybe_count;
};

/* Where one function is. */
struct qemu_place {
	struct provider_binding binding;
	char path[QMP_PATH_MAX]; /* of its device; empty: none */
	char node[QMP_NAME_MAX];
	char netdev[QMP_NAME_MAX];
	bool is_twice; /* found at two places; one of ours is told first */
};

/**
 * qemu_truth() - where all functions are
 * @sights: one for each host
 * @out: one for each adapter; zeroed by the callee
 *
 * Found on a blade that answers: there. Else, last known on one that hangs: there, unknown. Else,
 * unknown where a blade that hangs, or is not known yet, may have it: one that was never seen
 * whole, or that has a command without an answer which may bind it. Else nowhere. Identities are
 * those of what is bound; the caller fills in what is only kept in memory.
 */
void qemu_truth(const struct qemu_chassis *chassis, const struct qemu_sight *sights,
		struct qemu_place *out);

/* Does something of the pool, or not, sit at the vport? */
bool qemu_vport_is_taken(const struct qemu_content *content, const struct qemu_host *host,
			 uint16_t vport);
