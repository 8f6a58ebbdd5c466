/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Planted defects: guards that the simulation takes out, one at a time, to prove that it notices.
 *
 * DEFECT(NAME) is a constant 0 in every program that is installed. Only a library built with
 * FABRIC_DEFECTS (tests/simulation) has them, and there @fabric_defect chooses one.
 */
#pragma once

enum fabric_defect {
	DEFECT_NONE,
	DEFECT_NO_READ_BACK,         /* an answer "done" is believed without looking (S1) */
	DEFECT_READ_BEFORE_SETTLE,   /* after UNKNOWN it looks at once (S19) */
	DEFECT_NO_GENERATION,        /* the gate compares neither generation nor epoch (S14) */
	DEFECT_BIND_TO_DEAD,         /* what failed is bound back to the host it came from */
	DEFECT_FENCE_IGNORES_FLIGHT, /* the fence neither withdraws nor settles (S20) */
	DEFECT_UNKNOWN_IS_DONE,      /* UNKNOWN is taken for done (S1) */
	DEFECT_JOURNAL_LATER,        /* operations leave before the intent is durable (S8) */
	DEFECT_IDENTITY_EARLY,       /* an identity is set before its old place is cleared (S17) */
	DEFECT_NO_RESET,             /* a function changes owners without a reset (S16) */
	DEFECT_FENCE_BELIEVES,       /* a fence program's word stands against the switch's (S1) */
	DEFECT_UNKNOWN_IS_NOWHERE,   /* what cannot be told is taken for bound nowhere (S1) */
	DEFECT_NO_QUARANTINE,        /* a card that comes is given at once, unscrubbed (S17) */
	DEFECT_UNRECORDED,           /* what the switch says of a host is not recorded */
	DEFECT_OVERDUE_ALONE,        /* the breaker counts only hosts that are due (S4) */
	DEFECT_GRACE_KEPT,           /* leaving HOLD gives nobody a fresh window (S4) */
	DEFECT_WALL_CLOCK,           /* hosts are judged by wall time (S2) */
	DEFECT_VERDICT_FIRST,        /* hosts are judged before the sockets are drained (S3) */
	DEFECT_IN_TRANSACTION,       /* operations leave while their intent is being written (S8) */
	DEFECT_UNKNOWN_IS_FAILED,    /* UNKNOWN is taken for not done (S1) */
	DEFECT_LATE_ANSWER,          /* an answer counts for whatever is in flight now (S19) */
	DEFECT_FENCE_BY_LIST,        /* a fence empties what is assigned, not what is shown (S20) */
	DEFECT_FENCE_UNISOLATED,     /* a fence does not begin by cutting its host off (S20) */
	DEFECT_POWER_IS_UNBIND,      /* a host without power counts as empty (S20) */
	DEFECT_NO_BLAST_SET,         /* nobody asks what else a reset hits (S16) */
	DEFECT_REPAIR_RESTORED,      /* a restored database repairs and judges at once */
	DEFECT_FOREIGN_TAKEN,        /* what another life has bound is taken for ours */
	DEFECT_SPLIT_PROFILE,        /* a function of a profile is given alone */
	DEFECT_COLD_UNBOUND,         /* a cold spare is powered on before it is bound (S11) */
	DEFECT_TRAFFIC_IGNORED,      /* what comes from a silent host says nothing (S7) */
	DEFECT_ONE_DELAYS_ALL,       /* nobody is judged while any switch is away (S6) */
	DEFECT_SYNC_IGNORED,         /* what could not be synced is acknowledged (S15) */
	DEFECT_QUARANTINE_OPEN,      /* a quarantined host is given functions (S10) */
	DEFECT_TURNS_FORGOTTEN,      /* a restart forgets failovers and flaps (S5, S10) */
	DEFECT_NUMBERS_FORGOTTEN,    /* which datagrams have come is not kept */
	DEFECT_BOOT_BELIEVED,        /* a fresh boot id is believed without a challenge */
	DEFECT_ASKED_FORGOTTEN,      /* what was challenged counts when it comes again */
	DEFECT_NONCE_KEPT,           /* a challenge may be answered again, and any time later */
	DEFECT_ANY_KEY,              /* the key of any host speaks for every host */
	DEFECT_OLD_KEY_KEPT,         /* the key before is accepted for ever */
	DEFECT_FIRST_WAY_ALONE,      /* a host is silent when its first way is */
	DEFECT_AGED_BY_READING,      /* a datagram is as old as its reading, not its receipt (S3) */
	DEFECT_OLD_ANSWER,           /* an agent believes answers that it has had */
	DEFECT_DRILL_UNPROVED,       /* a drill's fence counts as proved, unread (S20) */
	DEFECT_DRILL_RESUMED,        /* whoever finds a drill lets its host in (S9) */
	DEFECT_DRILL_BUSY,           /* a host that has functions is drilled */
	DEFECTS,
};

#ifdef FABRIC_DEFECTS
extern enum fabric_defect fabric_defect;
#define DEFECT(name) (fabric_defect == DEFECT_##name)
#else
#define DEFECT(name) 0
#endif
