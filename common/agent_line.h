/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What fabricd and an agent say to each other on a stream: one JSON object on each line, 64 KiB at
 * most with its newline. docs/agent-protocol.md is the contract, and has an example of each.
 *
 * A line that is not understood is counted by whoever reads it, and skipped: the next one begins
 * behind the next newline (common/line_reader.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/own.h"
#include "common/result.h"

enum {
	AGENT_LINE_MAX = 64 * 1024, /* bytes of a line, newline included */
	AGENT_HOST_MAX = 64,        /* bytes, NUL included; as everywhere below */
	AGENT_BOOT_ID_MAX = 37,     /* a UUID */
	AGENT_ADDRESS_MAX = 16,     /* "0000:05:00.0", domains of up to 8 digits */
	AGENT_FUNCTION_MAX = 64,
	AGENT_DRIVER_MAX = 64,
	AGENT_SERIAL_MAX = 64,
	AGENT_TEXT_MAX = 256,
	AGENT_SEEN_MAX = 256, /* functions in one view */
};

enum agent_line_type {
	AGENT_BEAT,   /* agent: I am alive */
	AGENT_SEEN,   /* agent: the whole of what I see */
	AGENT_LEFT,   /* agent: how a request to let go ended */
	AGENT_STATUS, /* fabricd: the answer to a beat */
	AGENT_LEAVE,  /* fabricd: let this function go */
	/* Not known to the first agents and managers, who skip them: said only where nothing is
	 * lost by that. */
	AGENT_LEAVING, /* agent: I go down on purpose; a beat as well */
	AGENT_TOLD,    /* agent: the highest epoch that I was told, and by which database */
	AGENT_STOPPED, /* agent: I have been told that I am fenced, and have let go; a claim */
	AGENT_MANAGER, /* fabricd: the answer to "told": which database I am */
	AGENT_REPORT,  /* fabricd: I have just connected; tell all that there is */
	AGENT_LINE_TYPES,
};

enum agent_link { AGENT_LINK_UNKNOWN, AGENT_LINK_UP, AGENT_LINK_DOWN, AGENT_LINKS };

enum agent_outcome {
	AGENT_LEFT_DONE,    /* it is gone from this host */
	AGENT_LEFT_REFUSED, /* a hook said no; nothing was done to the function */
	AGENT_LEFT_FAILED,  /* it is still there, or may be */
	AGENT_OUTCOMES,
};
const char *agent_outcome_text(enum agent_outcome outcome);

/* One PCI function as the host itself sees it; bridges are not among them. */
struct agent_function {
	char address[AGENT_ADDRESS_MAX]; /* of the host's own numbering */
	bool has_slot;
	uint32_t slot;       /* number of the physical slot that it sits in */
	uint16_t class_code; /* base class and subclass */
	uint16_t vendor;
	uint16_t device;
	char driver[AGENT_DRIVER_MAX]; /* "": none */
	char serial[AGENT_SERIAL_MAX]; /* "": not known */
	uint64_t mac;                  /* 0: none */
	uint64_t wwpn;                 /* 0: none */
	enum agent_link link;          /* of a network function */
};

struct agent_line {
	enum agent_line_type type;
	char host[AGENT_HOST_MAX];         /* beat, seen, leaving, told, stopped */
	char boot_id[AGENT_BOOT_ID_MAX];   /* likewise */
	uint64_t seq;                      /* beat, leaving */
	uint64_t id;                       /* left, leave */
	enum agent_outcome outcome;        /* left */
	char text[AGENT_TEXT_MAX];         /* left, stopped: why, for people; "" nothing to say */
	bool is_fenced;                    /* status */
	uint64_t epoch;                    /* status, told, stopped */
	uint64_t incarnation;              /* told, manager: agent_incarnation(); 0: none yet */
	uint64_t stopped;                  /* stopped: functions that it uses no more */
	uint64_t still;                    /* stopped: those that have a driver still */
	char address[AGENT_ADDRESS_MAX];   /* leave; "": the slot alone says which */
	bool has_slot;                     /* leave */
	uint32_t slot;                     /* leave; @address or @slot is told, or both */
	char function[AGENT_FUNCTION_MAX]; /* leave: its name in the fabric */
	uint64_t deadline_ms;              /* leave: for all of it, from the arrival of the line */
	struct agent_function *seen;       /* seen; owned */
	size_t seen_count;                 /* 0 .. AGENT_SEEN_MAX */
	uint64_t left_out;                 /* seen: further functions that had no room */
};

void agent_line_done(struct agent_line *line);
OWNED_BY_VALUE(struct agent_line, agent_line_done)

/**
 * agent_line_parse() - one line
 * @text: without its newline; need not end in NUL
 * @out: set on success; agent_line_done() by the caller
 * @why: set on refusal: what is wrong, and where
 *
 * Strict: JSON by common/strict.h, every member known, present where it must be, in its range.
 * Return: 0, -ENOMEM, REFUSE_SYNTAX, REFUSE_TOO_LARGE, or REFUSE_FIELD.
 */
MUST_USE int agent_line_parse(const char *text, size_t length, struct agent_line *out,
			      char why[static AGENT_TEXT_MAX]);

/**
 * agent_line_format() - append one line with its newline to @out
 *
 * Functions that find no room within AGENT_LINE_MAX are left out, and counted in the line beside
 * @line->left_out. Texts that are not UTF-8 are mended.
 */
void agent_line_format(const struct agent_line *line, struct buf *out);

/* How a manager's database is called on lines and in datagrams: FNV-1a, 64 bits, of @text. */
uint64_t agent_incarnation(const char *text);
/* A UUID as the kernel writes its boot id, any case. */
bool agent_uuid_is(const char *text);
/* "0000:05:00.0" */
bool agent_address_is(const char *text);
