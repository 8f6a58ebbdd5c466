/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One blade: its process, the link to its QMP, what is in it.
 *
 *	starting -> up      greeted, and looked at whole
 *	starting -> off     nobody listens, and no process has the socket's path
 *	starting, up -> hung   an answer is overdue, or a process without a socket
 *	hung -> up          all is answered, and it was looked at whole again
 *	any -> off          the pidfd turned readable
 *	off -> starting     somebody listens
 *
 * A look reads all that the blade has, by QOM. What is known of a device stays (an id is not used
 * twice, and what ends is told by an event), so that a look is a few commands when nothing is new.
 * Looks are counted by a clock of the provider's: one that began after a request answers it.
 */
#pragma once

#include "provider/qemu/link.h"
#include "provider/qemu/truth.h"

struct qemu_blade;

struct qemu_blade_user {
	/* The state, the content, what is unanswered or how far the looks are: anything. */
	void (*changed)(void *arg, struct qemu_blade *blade);
	/* @part is gone by DEVICE_DELETED; borrowed. True: what stands behind it is taken care of.
	 */
	bool (*deleted)(void *arg, struct qemu_blade *blade, const struct qemu_part *part);
	/* The next tick of the clock of looks. */
	uint64_t (*tick)(void *arg);
	void *arg;
};

struct qemu_look; /* one that is under way; look.c */

struct qemu_blade {
	struct event_base *base;
	const struct qemu_chassis *chassis;
	const struct qemu_host *host;
	struct qemu_blade_user user;

	struct event *on_exit;
	struct event *timer; /* the next attempt to connect, or the next look of its own */
	struct qemu_link *link;
	struct qemu_look *look;
	struct qemu_content content;
	uint64_t look_began; /* of the one under way */
	uint64_t look_seen;  /* when the last finished one had begun */
	uint64_t look_wanted;
	/* In doubt until a look that began later: what commands without an answer, or with one that
	 * came too late, may have bound there. */
	size_t lost_count;
	uint64_t lost_clock;
	uint32_t lost[QEMU_ADAPTERS_MAX];
	uint32_t maybe[QEMU_ADAPTERS_MAX]; /* of qemu_blade_sight() */

	char why[QMP_TEXT_MAX]; /* why it is hung, or off */
	enum qemu_blade_state state;
	pid_t pid;
	int pidfd;       /* -1: none */
	unsigned failed; /* attempts to connect since it was last ready */
	uint16_t handle;
	bool power_known;
	bool is_ready; /* the link takes commands */
	bool is_dead;  /* the link has ended, and is to be freed */
	bool is_whole; /* @content was read since the process started */
	bool is_swept; /* back ends that nobody uses have been looked for */
	bool has_lost; /* something is in doubt */
};

/* @host: index + 1 in @chassis, which outlives it. Connects soon, from the event loop. */
MUST_USE int qemu_blade_new(struct event_base *base, const struct qemu_chassis *chassis,
			    uint16_t host, const struct qemu_blade_user *user,
			    struct qemu_blade **out);
void qemu_blade_free(struct qemu_blade *blade);
OWNED_BY(struct qemu_blade, qemu_blade_free)

/* Look at it; one that began at @clock or later will do. Off: see whether it still is; @thorough:
 * among all processes. */
void qemu_blade_look(struct qemu_blade *blade, uint64_t clock, bool thorough);
/* Is what is known of it from @clock or later? A blade that is hung or off answers nothing. */
bool qemu_blade_is_seen(const struct qemu_blade *blade, uint64_t clock);
/* Can a command that changes something of @function (0: of any) still be carried out? */
bool qemu_blade_is_settled(const struct qemu_blade *blade, uint32_t function);
struct qemu_sight qemu_blade_sight(struct qemu_blade *blade);

/* As qemu_link_send(); 0 also when the blade takes no commands now. */
uint64_t qemu_blade_send(struct qemu_blade *blade, const char *command,
			 const struct qmp_argument *arguments, enum qemu_effect effect,
			 uint32_t function, qemu_answer_fn *fn, void *arg);
void qemu_blade_forget(struct qemu_blade *blade, const void *arg);
/* Takes away what stood behind a device that is gone, and tells nobody. */
void qemu_blade_clear_back(struct qemu_blade *blade, const struct qemu_part *part);
/* What a bind has brought, before the next look sees it. */
MUST_USE int qemu_blade_add(struct qemu_blade *blade, const struct qemu_part *part);

/**
 * qemu_blade_kill() - ends the process
 *
 * The state turns off when the pidfd is readable. Checked once more before: the process that serves
 * the socket, with the socket's path on its command line.
 * Return: 0; REFUSE_HOST_STATE with @why (QMP_TEXT_MAX bytes): it cannot be told which process it
 * is; -errno.
 */
MUST_USE int qemu_blade_kill(struct qemu_blade *blade, char *why);

/* look.c: reads all of a blade; blade.c alone calls these. */
MUST_USE int qemu_look_begin(struct qemu_blade *blade);
void qemu_look_drop(struct qemu_blade *blade);
/* A device has gone while it was under way: it begins anew. */
void qemu_look_spoil(struct qemu_blade *blade);
/* From look.c: it has ended; @why: it could not be read. */
void qemu_blade_looked(struct qemu_blade *blade, const char *why);
