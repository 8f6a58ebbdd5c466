/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The provider protocol's bytes: docs/provider-protocol.md, in code. Pure.
 *
 * A stream of frames over a Unix socket: u32 length of the body, u16 version, u16 type, body; all
 * little-endian. Every message has a greatest length. Within a version a message may grow at its
 * end: a reader takes what it knows and ignores the rest; a message too short is malformed, and the
 * connection with it. A type that is not known is answered with WIRE_UNSUPPORTED and ignored.
 *
 * wire_X_put() appends one whole frame to a buffer; wire_X_get() reads one frame's body and checks
 * its form (0 or -EBADMSG). Texts go out with control characters replaced, and come in without any.
 */
#pragma once

#include "common/buf.h"
#include "common/cursor.h"
#include "provider/provider.h"

enum {
	WIRE_VERSION = 1, /* the newest that is spoken here, and the oldest */
	WIRE_HEADER = 8,
	WIRE_BODY_MAX = 65536 - WIRE_HEADER,
	WIRE_SLICE_BYTES = 32768,       /* of a scan, a request or an answer in one frame */
	WIRE_CONTROL_MAX = 1024 * 1024, /* a request or an answer, all slices together */
};

enum wire_type {
	WIRE_HELLO = 1,   /* to the provider, first of all: who am I, which versions */
	WIRE_WELCOME,     /* from it: the version, and struct provider_hello */
	WIRE_REFUSED,     /* from it, then it closes: no common version, another manager, ... */
	WIRE_UNSUPPORTED, /* both ways: a type that is not known */
	WIRE_PING,        /* both ways; answered by WIRE_PONG with the same number */
	WIRE_PONG,
	WIRE_OP,          /* to the provider */
	WIRE_DONE,        /* from it: a completion */
	WIRE_EVENT,       /* from it */
	WIRE_STATE,       /* from it: how it stands with its hardware */
	WIRE_SCAN,        /* to the provider */
	WIRE_SCAN_BEGIN,  /* from it: how many of each kind */
	WIRE_SCAN_SLICE,  /* from it: some of one kind, in order */
	WIRE_SCAN_END,    /* from it: complete, or why not */
	WIRE_VIEW,        /* to the provider */
	WIRE_VIEW_CONFIG, /* from it: one function's configuration space */
	WIRE_VIEW_END,    /* from it: complete, or why not */
	WIRE_CONTROL,     /* to the provider: a slice of a request in its own language */
	WIRE_ANSWER,      /* from it: a slice of the answer */
	WIRE_TYPES,
};

enum wire_role { WIRE_MANAGER = 1, WIRE_CONTROLLER = 2 };

struct wire_frame {
	uint16_t type; /* may be one that is not known */
	const uint8_t *body;
	size_t length;
};

/**
 * wire_frame_next() - the first frame in @bytes
 * @out: its body points into @bytes
 *
 * Return: bytes that the frame takes; 0 when it is not whole yet; -EBADMSG for a length or version
 * that cannot be.
 */
MUST_USE int wire_frame_next(const uint8_t *bytes, size_t length, struct wire_frame *out);

const char *wire_type_text(unsigned type);

struct wire_hello {
	uint16_t oldest; /* versions that the sender speaks */
	uint16_t newest;
	enum wire_role role;
	char name[PROVIDER_NAME_MAX]; /* the program */
};

void wire_hello_put(struct buf *b, enum wire_role role, const char *name);
MUST_USE int wire_hello_get(const struct wire_frame *f, struct wire_hello *out);

void wire_welcome_put(struct buf *b, const struct provider_hello *hello);
/* -EBADMSG also for a version that is not spoken here. */
MUST_USE int wire_welcome_get(const struct wire_frame *f, struct provider_hello *out);

/* @why of both: PROVIDER_TEXT_MAX bytes */
void wire_refused_put(struct buf *b, const char *why);
MUST_USE int wire_refused_get(const struct wire_frame *f, char *why);

void wire_unsupported_put(struct buf *b, uint16_t type);
MUST_USE int wire_unsupported_get(const struct wire_frame *f, uint16_t *type);

/* @type: WIRE_PING or WIRE_PONG */
void wire_ping_put(struct buf *b, enum wire_type type, uint64_t number);
MUST_USE int wire_ping_get(const struct wire_frame *f, uint64_t *number);

/* The deadline travels as what remains of it at @now_ms, with @now_ms itself: both ends read the
 * boot-time clock of one kernel, so that time spent in socket buffers counts too. */
void wire_op_put(struct buf *b, const struct provider_op *op, uint64_t now_ms);
/* The form alone: whether the operation makes sense says provider_op_check(). A deadline that has
 * passed on the way comes out as @now_ms or earlier. */
MUST_USE int wire_op_get(const struct wire_frame *f, uint64_t now_ms, struct provider_op *out);

void wire_done_put(struct buf *b, const struct provider_completion *done);
/* @bindings: room for PROVIDER_READ_MAX; @out points there. An outcome that is not known becomes
 * UNKNOWN. */
MUST_USE int wire_done_get(const struct wire_frame *f, struct provider_binding *bindings,
			   struct provider_completion *out);

void wire_event_put(struct buf *b, const struct provider_event *event);
/* A kind that is not known becomes PROVIDER_EVENT_CHANGED. */
MUST_USE int wire_event_get(const struct wire_frame *f, struct provider_event *out);

void wire_state_put(struct buf *b, enum provider_state state, const struct provider_hello *hello);
MUST_USE int wire_state_get(const struct wire_frame *f, enum provider_state *state,
			    struct provider_hello *hello);

/* WIRE_SCAN. @id is the asker's, returned in all that answers it; it stands first there too, so
 * that wire_scan_get() reads it from any of them. */
void wire_scan_put(struct buf *b, uint32_t id);
MUST_USE int wire_scan_get(const struct wire_frame *f, uint32_t *id);

/* A scan on its way out, frame by frame. */
struct wire_scan_out {
	const struct provider_scan *scan; /* borrowed */
	uint32_t id;
	unsigned step; /* 0: begin */
	size_t next;   /* of the section that step - 1 is */
};
/* Appends the next frame. Return: false when that was the last one. */
bool wire_scan_out_put(struct buf *b, struct wire_scan_out *out);
/* A scan that failed: its end alone. */
void wire_scan_failed_put(struct buf *b, uint32_t id, const char *why);

enum { WIRE_SECTIONS = 5 }; /* switches, ports, hosts, adapters, functions */

/* A scan on its way in. */
struct wire_scan_in {
	struct provider_scan *scan; /* NULL: none under way */
	uint32_t id;
	size_t got[WIRE_SECTIONS];
};
void wire_scan_in_done(struct wire_scan_in *in);
MUST_USE int wire_scan_begin_get(const struct wire_frame *f, struct wire_scan_in *in);
MUST_USE int wire_scan_slice_get(const struct wire_frame *f, struct wire_scan_in *in);
/**
 * wire_scan_end_get() - the scan is complete, or failed
 * @out: a whole and checked scan, the caller's; NULL when it failed
 * @why: PROVIDER_TEXT_MAX bytes: how it failed
 */
MUST_USE int wire_scan_end_get(const struct wire_frame *f, struct wire_scan_in *in, uint32_t *id,
			       struct provider_scan **out, char *why);

void wire_view_put(struct buf *b, uint32_t id, uint16_t host);
MUST_USE int wire_view_get(const struct wire_frame *f, uint32_t *id, uint16_t *host);
/* Zeroes at the end of the space do not travel. */
void wire_view_config_put(struct buf *b, uint32_t id, const struct provider_config *config);
/* @bytes: room for PROVIDER_CONFIG_BYTES; @out points there */
MUST_USE int wire_view_config_get(const struct wire_frame *f, uint32_t *id, uint8_t *bytes,
				  struct provider_config *out);
/* @why: empty when all went well */
void wire_view_end_put(struct buf *b, uint32_t id, const char *why);
MUST_USE int wire_view_end_get(const struct wire_frame *f, uint32_t *id, char *why);

/* Slices of a text, requests (WIRE_CONTROL) and answers alike. */
struct wire_slice {
	uint32_t id;
	int32_t status; /* answers: 0 done, else the program's own */
	uint32_t total; /* of the whole text; at most WIRE_CONTROL_MAX */
	uint32_t offset;
	uint32_t length;
	const uint8_t *bytes;
};
/* All slices of @text, one frame each; an empty text is one empty slice. */
void wire_control_put(struct buf *b, enum wire_type type, uint32_t id, int32_t status,
		      const void *text, size_t length);
/* The slice lies inside its total. */
MUST_USE int wire_slice_get(const struct wire_frame *f, struct wire_slice *out);
/* Appends @slice to @text if it is the one that follows. Return: 0, -EBADMSG, -ENOMEM; @whole is
 * true once it was the last. */
MUST_USE int wire_slice_join(struct buf *text, const struct wire_slice *slice, bool *whole);
