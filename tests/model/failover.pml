/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fence, move and take-over of one function among two hosts and a spare, as the brain does them.
 * What stands for what, what is assumed and what is left out: docs/safety.md, "The model".
 *
 * Each step is one atomic transition of one process; a process has no state but the variables
 * here. Nothing has a time: whatever may happen late, may happen at any moment or never.
 * Numbers are relative, so that nothing is counted and nothing runs out: "old" is what stands
 * under a lower generation than the change that was begun last, "lost" a change whose host has
 * another epoch than when it was planned.
 *
 * -DPROGRESS bounds the faults and asks that all comes to its end (invariant 7); without it
 * faults, crashes, fences, moves and readmissions have no bound, and invariants 1 to 3 are asked for.
 * -DDEFECT_... takes a guard out. -DTRACE goes only where a daemon's own log went: trace.h, written by
 * accept.py, has LEN, and TRACE_FILL, which fills log[]; the end of the claim is reached when
 * some run of the model is that log.
 */

#ifdef TRACE
#include "trace.h"
byte log[LEN];
byte pos;
bit astray;
c_decl { static int furthest; }
#define SEE(what) \
	if \
	:: pos < LEN && log[pos] == (what) -> pos++; \
		c_code { if (now.pos > furthest) printf("reached %d\n", furthest = now.pos); } \
	:: else -> astray = 1 \
	fi
never { do :: !astray && pos < LEN :: pos == LEN -> break od }
#else
#define SEE(what) skip
#define TRACE_FILL skip
#endif
/* What a log tells: a command (SENT), its answer "done" (TOLD), and what became of a host. */
#define SENT(verb, host) ((verb) * 4 + (host))
#define TOLD(verb, host) (32 + (verb) * 4 + (host))
#define IS_FENCING(host) (64 + (host))
#define IS_FENCED(host) (68 + (host))
#define IS_BLOCKED(host) (72 + (host))
#define IS_OPEN(host) (76 + (host))
#define CRASHED 80

#ifndef SLOTS
#define SLOTS 3 /* commands that the switch may hold at once */
#endif
#define HOSTS 4 /* 1 and 2 work, 3 is the spare; 0: nowhere */
#define SPARE 3

#ifdef PROGRESS
#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef DEATHS
#define DEATHS 2
#endif
byte faults = FAULTS, deaths = DEATHS, moves = 1, crashes = 1, readmits = 1;
#define MAY(budget) (budget > 0)
#define SPEND(budget) budget--
#else
#define MAY(budget) (true)
#define SPEND(budget) skip
#endif

/* ---- the switch: what is true ---- */

byte at;       /* the host that has the function; 0: nowhere */
bit at_old;    /* under an older generation */
bit isolated[HOSTS], power[HOSTS];
bit hung[HOSTS]; /* lets nothing go while it is neither cut off nor without power */
bit can_isolate;

#define FREE 0
#define UNBIND 1
#define RESET 2
#define BIND 3
#define ISOLATE 4
#define OPEN_PORT 5
#define POWER_OFF 6
typedef Command {
	byte verb;
	byte host;
	byte by;   /* who waits for it: NOBODY any more, ITEM, or a host's fence */
	bit item;  /* of an item: it stands under a generation */
	bit old;
};
Command slot[SLOTS];
#define NOBODY 0
#define ITEM 4

/* ---- the manager: rows, in memory (m) and on the disk (d) ---- */

#define OPEN 0
#define FENCING 1
#define FENCED 2
#define BLOCKED 3
typedef Rows {
	byte host[HOSTS];
	byte owner;
	bit change;  /* one is open */
	byte from, to;
	bit lost;
	bit adopted;
};
Rows m, d;
bit dirty; /* m is not all on the disk */

#define COPY(x, y) \
	x.host[1] = y.host[1]; x.host[2] = y.host[2]; x.host[3] = y.host[3]; x.owner = y.owner; \
	x.change = y.change; x.from = y.from; x.to = y.to; x.lost = y.lost; x.adopted = y.adopted

/* ---- the manager: what a crash forgets ---- */

#define NONE 0
#define INTENT 1
#define READY 2
#define QUEUED 3
#define EFFECT 4
#define ENDED 5
byte item;
byte item_verb;
bit doubt;  /* of the function */
bit seen_valid, seen_old, reset_done, failed;
byte seen;

#define STORING 1
#define START 2
#define WAITING 3 /* for the answer to isolate, open, power off or unbind */
#define F_SETTLING 4
#define F_READING 5
typedef Fence {
	byte at;
	byte rung;
	bit opening, looking, again;
};
Fence fence[HOSTS];
#define R_ISOLATE 0
#define R_UNBIND 1
#define R_POWER 2
#define R_PERSON 3

/* ---- what only the assertions look at ---- */

bit newer_done;      /* a command of the newest generation was carried out */
bit is_fenced[HOSTS]; /* proved; a restored database forgets it, this does not */

#ifdef RESTORE
bit restored;
#endif
#ifdef DEFECT_LATE_ANSWER
bit late;
#endif

/* ---- words ---- */

#define TOUCHES(s, h) (slot[s].verb && slot[s].host == h && slot[s].verb != RESET)
#define OF_FUNCTION(s) (slot[s].verb && slot[s].verb <= BIND)
#define OF_ITEM(s) (slot[s].verb && slot[s].item)
#if SLOTS == 2
#define ANY(what) (what(0) || what(1))
#define ANY_AT(what, h) (what(0, h) || what(1, h))
#define FREE_SLOT (!slot[0].verb || !slot[1].verb)
#define FIRST_FREE (slot[0].verb == FREE -> 0 : 1)
#elif SLOTS == 3
#define ANY(what) (what(0) || what(1) || what(2))
#define ANY_AT(what, h) (what(0, h) || what(1, h) || what(2, h))
#define FREE_SLOT (!slot[0].verb || !slot[1].verb || !slot[2].verb)
#define FIRST_FREE (slot[0].verb == FREE -> 0 : (slot[1].verb == FREE -> 1 : 2))
#endif

#ifdef DEFECT_NO_SETTLE
#define FUNCTION_SETTLED true
#define HOST_SETTLED(h) true
#else
#define FUNCTION_SETTLED !ANY(OF_FUNCTION)
#define HOST_SETTLED(h) !ANY_AT(TOUCHES, h)
#endif

#ifdef DEFECT_NO_EPOCH
#define LOST false
#define DOOR_OPEN(h) true
#else
#define LOST m.lost
#define DOOR_OPEN(h) (m.host[h] == OPEN && !m.lost)
#endif

#ifdef DEFECT_REPAIR_AFTER_RESTORE
#define MAY_REPAIR true
#else
#define MAY_REPAIR m.adopted
#endif

#ifdef PROGRESS
#define FAILED failed = 1
#define HANGS(h) (hung[h] && power[h] && !isolated[h]) /* tried again and again: no step here */
#define GIVES_UP failed
#else
#define FAILED skip
#define HANGS(h) false
#define GIVES_UP true
#endif

#ifdef NO_READMIT
#define MAY_READMIT false
#else
#define MAY_READMIT MAY(readmits)
#endif
#ifdef NO_CRASH
#define MAY_CRASH false
#else
#define MAY_CRASH MAY(crashes)
#endif
#ifdef ISOLATES
#define CHOOSE_ISOLATE can_isolate = ISOLATES
#else
#define CHOOSE_ISOLATE if :: can_isolate = 1 :: can_isolate = 0 fi
#endif

#define ORIGIN_FENCING \
	(m.from && (fence[m.from].at || m.host[m.from] == FENCING || m.host[m.from] == BLOCKED))

byte k; /* of send() and forget(); always 0 between steps */

inline slot_clear(s_)
{
	slot[s_].verb = FREE; slot[s_].host = 0; slot[s_].by = NOBODY;
	slot[s_].item = 0; slot[s_].old = 0
}

inline send(what_, host_, who_)
{
	k = FIRST_FREE;
	slot[k].verb = what_; slot[k].host = host_; slot[k].by = who_;
	slot[k].item = (who_ == ITEM);
	k = 0;
	SEE(SENT(what_, host_))
}

/* Nobody waits any more: what is under way may still be carried out. */
inline forget(gone_)
{
	k = 0;
	do
	:: k < SLOTS ->
		if
		:: slot[k].verb && (gone_ == NOBODY || slot[k].by == gone_) ->
			slot[k].by = NOBODY
		:: else
		fi;
		k++
	:: else -> break
	od;
	k = 0
}

/* ---- changes ---- */

inline change_begin(origin_, target_)
{
	m.change = 1; m.from = origin_; m.to = target_; m.lost = 0;
	dirty = 1;
	item = INTENT; item_verb = FREE;
	seen_valid = 0; seen = 0; seen_old = 0; reset_done = 0; failed = 0;
	k = 0;
	do
	:: k < SLOTS -> slot[k].old = (slot[k].item -> 1 : 0); k++
	:: else -> break
	od;
	k = 0;
	at_old = (at -> 1 : 0);
	newer_done = 0
}

inline item_end(owner_)
{
	m.owner = owner_; m.change = 0; m.from = 0; m.to = 0; m.lost = 0;
	dirty = 1;
	item = ENDED; item_verb = FREE;
	seen_valid = 0; seen = 0; seen_old = 0; reset_done = 0; failed = 0
}

inline submit(verb_)
{
	item = QUEUED; item_verb = verb_; seen_valid = 0;
}

inline item_unknown()
{
	forget(ITEM);
	FAILED;
	item = READY;
#ifdef DEFECT_UNKNOWN_IS_FAILED
	seen_valid = 1 /* it failed, so all is as it was */
#else
	item_verb = FREE;
	doubt = 1
#endif
}

inline item_answered(told_)
{
	if
	:: told_ == RESET -> reset_done = 1; seen_valid = 1 /* a reset binds nothing */
	:: told_ == UNBIND -> reset_done = 0
	:: else
	fi;
#ifdef DEFECT_NO_READ_BACK
	if
	:: told_ == UNBIND -> seen = 0; seen_old = 0; seen_valid = 1
	:: told_ == BIND -> seen = m.to; seen_old = 0; seen_valid = 1
	:: else
	fi;
#endif
	if
	:: !seen_valid -> seen = 0; seen_old = 0
	:: else
	fi;
	item = READY; item_verb = FREE
}

/* ---- restart ---- */

inline fence_clear(c_, where_)
{
	fence[c_].at = where_;
	fence[c_].rung = 0; fence[c_].opening = 0; fence[c_].looking = 0; fence[c_].again = 0
}

/* Hosts whose door is closed are fenced again, before anything of them moves. */
inline fence_resume(r_)
{
#ifdef DEFECT_NO_RESUME
	fence_clear(r_, NONE);
#else
	fence_clear(r_, (m.host[r_] == OPEN -> NONE : STORING));
#endif
	fence[r_].looking = (m.host[r_] == FENCED && !can_isolate);
	dirty = dirty || fence[r_].at
}

inline restart()
{
	forget(NOBODY);
	COPY(m, d);
	dirty = 0;
	item = (m.change -> READY : NONE); item_verb = FREE;
	seen_valid = 0; seen = 0; seen_old = 0; reset_done = 0; failed = 0;
#ifdef DEFECT_NO_SETTLE
	doubt = 0;
#else
	doubt = 1;
#endif
	fence_resume(1); fence_resume(2); fence_resume(3)
}

/* ---- the processes ---- */

/* Rows reach the disk, in their order; what waited for them goes on. */
proctype disk()
{
	do
	:: d_step { dirty ->
		COPY(d, m);
		dirty = 0;
		if :: item == INTENT -> item = READY :: item == ENDED -> item = NONE :: else fi;
		if :: fence[1].at == STORING -> fence[1].at = START :: else fi;
		if :: fence[2].at == STORING -> fence[2].at = START :: else fi;
		if :: fence[3].at == STORING -> fence[3].at = START :: else fi
	}
	od
}

proctype change_engine()
{
	do
	/* in doubt: it settles first (S19) */
	:: d_step { item == READY && doubt && FUNCTION_SETTLED -> doubt = 0 }
	/* item_decide() */
	:: d_step { item == READY && !doubt && LOST -> item_end(m.to) } /* parked, as its host's */
	:: d_step { item == READY && !doubt && !LOST && ORIGIN_FENCING && seen_valid ->
		seen_valid = 0; seen = 0; seen_old = 0 }
	:: d_step { item == READY && !doubt && !LOST && !ORIGIN_FENCING && !seen_valid ->
		seen = at; seen_old = at_old; seen_valid = 1;
		if :: seen -> reset_done = 0 :: else fi }
	:: d_step { item == READY && !doubt && !LOST && !ORIGIN_FENCING && seen_valid && !HANGS(seen) ->
		if
		:: seen == m.to && !seen_old -> item_end(m.to)
		:: seen && !(seen == m.to && !seen_old) -> submit(UNBIND)
		:: !seen && !reset_done -> submit(RESET)
		:: !seen && reset_done -> submit(BIND)
		fi
	}
	/* no more tries: parked where the switch shows it nowhere, else failed */
	:: d_step { item == READY && !doubt && !LOST && !ORIGIN_FENCING && seen_valid && GIVES_UP &&
		seen != m.to && MAY(faults) ->
		SPEND(faults);
		if :: seen -> item_end(m.owner) :: else -> item_end(m.to) fi
	}
	/* the last gate before the wire */
	:: d_step { item == QUEUED && FREE_SLOT ->
		if
		:: item_verb == BIND && !DOOR_OPEN(m.to) ->
			item = READY; item_verb = FREE; seen = 0; seen_old = 0
		:: else ->
			/* invariant 3 */
			assert(item_verb != BIND || (!at && !ANY(OF_ITEM)));
			if
			:: item_verb == UNBIND -> send(UNBIND, seen, ITEM)
			:: item_verb == BIND -> send(BIND, m.to, ITEM)
			:: item_verb == RESET -> send(RESET, 0, ITEM)
			fi;
			item = EFFECT
#ifndef DEFECT_UNKNOWN_IS_FAILED
			; if :: item_verb != RESET -> seen = 0; seen_old = 0 :: else fi
#endif
		fi
	}
	:: d_step { item == EFFECT && MAY(faults) -> SPEND(faults); item_unknown() }
	/* an incident moves what is owned by a host that is proved fenced */
	:: d_step { item == NONE && m.adopted && m.host[m.owner] == FENCED && !fence[m.owner].at &&
		m.host[(m.owner == SPARE -> 1 : SPARE)] == OPEN ->
		change_begin(m.owner, (m.owner == SPARE -> 1 : SPARE)) }
	/* repair: the switch shows something else than the assignment */
	:: d_step { item == NONE && m.host[m.owner] == OPEN && at != m.owner && MAY_REPAIR ->
		change_begin(m.owner, m.owner) }
	od
}

inline fence_up(u_)
{
	fence[u_].again = 0;
	fence[u_].rung = (fence[u_].rung < R_UNBIND -> R_UNBIND : fence[u_].rung);
	fence[u_].rung++;
	fence[u_].at = START
}

inline fence_proved(p_)
{
	assert(at != p_); /* invariant 2: its virtual switch is empty */
	SEE(IS_FENCED(p_));
	is_fenced[p_] = 1;
	m.host[p_] = FENCED;
	dirty = 1;
	fence_clear(p_, NONE)
}

#ifdef PROGRESS
#define AGAIN(h) !fence[h].again
#define UP(h) fence[h].again
#define TRIED(h) fence[h].again = 1
#define MAY_JUDGE(h) (hung[h] || deaths > 0)
#define JUDGED(h) deaths = (hung[h] -> deaths : deaths - 1)
#define POWERED(h) power[h]
#define UNPOWERED(h) !power[h]
#else
#define AGAIN(h) true
#define UP(h) true
#define TRIED(h) skip
#define MAY_JUDGE(h) true
#define JUDGED(h) skip
#define POWERED(h) true /* or not: both are tried */
#define UNPOWERED(h) true
#endif

/* No more of the three than that are closed at once. */
#ifndef CLOSED
#define CLOSED 2
#endif
#define FEW_CLOSED ((m.host[1] != OPEN) + (m.host[2] != OPEN) + (m.host[3] != OPEN) < CLOSED)
#define CLOSING(h) (!fence[h].opening && !fence[h].looking)

proctype fence_of(byte h)
{
	do
	/* a verdict, or a person who asks for it: the host may be dead, hung or well */
	:: d_step { m.host[h] == OPEN && !fence[h].at && m.adopted && FEW_CLOSED && MAY_JUDGE(h) ->
		JUDGED(h);
		SEE(IS_FENCING(h));
		m.host[h] = FENCING;
		m.lost = m.lost || (m.change == 1 && m.to == h);
		dirty = 1;
		fence_clear(h, STORING) }
	:: d_step { m.host[h] == BLOCKED && !fence[h].at -> dirty = 1; fence_clear(h, STORING) }
	/* a person lets it in again */
	:: d_step { m.host[h] == FENCED && !fence[h].at && !(m.change && m.from == h) &&
		!(item == ENDED) && MAY_READMIT ->
		SPEND(readmits);
		dirty = 1;
		m.lost = m.lost || (m.change == 1 && m.to == h);
		fence_clear(h, STORING); fence[h].opening = 1 }
	/* (2) what waits for it is withdrawn; then the rung */
	:: d_step { fence[h].at == START && (!CLOSING(h) || fence[h].rung == R_UNBIND ||
		fence[h].rung == R_PERSON || FREE_SLOT) ->
#ifndef DEFECT_NO_EPOCH
		if
		:: item == QUEUED && item_verb == BIND && m.to == h ->
			item = READY; item_verb = FREE; seen = 0; seen_old = 0
		:: else
		fi;
#endif
		if
		:: CLOSING(h) && fence[h].rung == R_ISOLATE && can_isolate ->
			send(ISOLATE, h, h); fence[h].at = WAITING
		:: CLOSING(h) && fence[h].rung == R_POWER ->
			send(POWER_OFF, h, h); fence[h].at = WAITING
		:: CLOSING(h) && fence[h].rung == R_PERSON ->
			SEE(IS_BLOCKED(h));
			m.host[h] = BLOCKED; dirty = 1; fence_clear(h, NONE)
		:: else ->
			if
			:: CLOSING(h) && fence[h].rung == R_ISOLATE -> fence[h].rung = R_UNBIND
			:: else
			fi;
			fence[h].at = F_SETTLING
		fi }
	:: d_step { fence[h].at == WAITING && MAY(faults) ->
		SPEND(faults); forget(h); fence[h].at = F_SETTLING }
	/* (5) settled, then read */
	:: d_step { fence[h].at == F_SETTLING && HOST_SETTLED(h) -> fence[h].at = F_READING }
	/* neither settles nor can be read: for ever, it goes up the ladder */
	:: d_step { (fence[h].at == F_SETTLING || fence[h].at == F_READING) && CLOSING(h) &&
		MAY(faults) -> SPEND(faults); fence_up(h) }
	:: d_step { fence[h].at == F_READING && fence[h].looking ->
		if
		:: at != h -> fence_proved(h)
		:: else -> SEE(IS_FENCING(h)); m.host[h] = FENCING; dirty = 1; fence_clear(h, START)
		fi }
	:: d_step { fence[h].at == F_READING && fence[h].opening && at != h &&
		(!isolated[h] || FREE_SLOT) ->
		if
		:: isolated[h] -> send(OPEN_PORT, h, h); fence[h].at = WAITING
		:: else ->
			SEE(IS_OPEN(h));
			m.host[h] = OPEN; is_fenced[h] = 0; power[h] = 1; hung[h] = 0;
			dirty = 1; fence_clear(h, NONE)
		fi }
	/* it is not cut off: once more, or without it */
	:: d_step { fence[h].at == F_READING && CLOSING(h) && fence[h].rung == R_ISOLATE &&
		!isolated[h] && AGAIN(h) -> TRIED(h); fence[h].at = START }
	:: d_step { fence[h].at == F_READING && CLOSING(h) && fence[h].rung == R_ISOLATE &&
		!isolated[h] && UP(h) -> fence[h].again = 0; fence[h].rung = R_UNBIND }
	:: d_step { fence[h].at == F_READING && CLOSING(h) && at != h &&
		(fence[h].rung != R_ISOLATE || isolated[h]) -> fence_proved(h) }
	/* (4) all that it shows */
	:: d_step { fence[h].at == F_READING && !fence[h].looking && at == h && FREE_SLOT &&
		(fence[h].rung != R_ISOLATE || isolated[h] || fence[h].opening) &&
		(fence[h].rung != R_POWER || UNPOWERED(h)) && AGAIN(h) ->
		TRIED(h);
		if :: CLOSING(h) && fence[h].rung == R_ISOLATE -> fence[h].rung = R_UNBIND :: else fi;
				send(UNBIND, h, h); fence[h].at = WAITING }
	:: d_step { fence[h].at == F_READING && CLOSING(h) && at == h &&
		fence[h].rung == R_POWER && POWERED(h) && AGAIN(h) ->
		TRIED(h); fence[h].at = START }
	:: d_step { fence[h].at == F_READING && CLOSING(h) && at == h && UP(h) &&
		(fence[h].rung != R_ISOLATE || isolated[h]) -> fence_up(h) }
	/* it cannot be let in: given up */
	:: d_step { fence[h].at == F_READING && fence[h].opening && at == h && UP(h) ->
		fence_clear(h, NONE) }
	od
}

inline fence_answered(a_, asked_, ok_)
{
	if
	:: asked_ == UNBIND && ok_ -> fence[a_].at = F_READING
#ifdef DEFECT_FENCE_BELIEVES
	:: asked_ == ISOLATE && ok_ && CLOSING(a_) -> fence_proved(a_)
#endif
#ifdef DEFECT_POWER_IS_UNBIND
	:: asked_ == POWER_OFF && ok_ && CLOSING(a_) -> fence_proved(a_)
#endif
	:: asked_ == POWER_OFF && !ok_ -> fence_up(a_)
	:: else -> fence[a_].at = F_SETTLING
	fi
}

inline carry_out(o_)
{
	if
	:: slot[o_].item ->
		assert(!(slot[o_].old && newer_done)); /* invariant 2: another generation */
		newer_done = newer_done || !slot[o_].old
	:: else
	fi;
	if
	:: slot[o_].verb == BIND ->
		assert(!at || at == slot[o_].host);   /* invariant 1 */
		assert(!is_fenced[slot[o_].host]);    /* invariant 2: a fenced host */
		at = slot[o_].host; at_old = slot[o_].old
	:: slot[o_].verb == UNBIND ->
		if :: at == slot[o_].host -> at = 0; at_old = 0 :: else fi
	:: slot[o_].verb == RESET -> assert(!at) /* S16: not under an owner */
	:: slot[o_].verb == ISOLATE -> isolated[slot[o_].host] = 1
	:: slot[o_].verb == OPEN_PORT -> isolated[slot[o_].host] = 0
#ifdef PROGRESS
	:: slot[o_].verb == POWER_OFF -> power[slot[o_].host] = 0
#else
	:: slot[o_].verb == POWER_OFF
#endif
	fi
}

/* An answer reaches who waits for it: for that attempt, and nobody else. */
inline answer(n_)
{
	if
	:: slot[n_].by -> SEE(TOLD(slot[n_].verb, slot[n_].host))
	:: else
	fi;
	if
	:: slot[n_].by == ITEM -> item_answered(slot[n_].verb)
	:: slot[n_].by && slot[n_].by != ITEM ->
		k = slot[n_].by; fence_answered(k, slot[n_].verb, 1); k = 0
#ifdef DEFECT_LATE_ANSWER
	:: slot[n_].by == NOBODY && slot[n_].item -> late = 1
#endif
	:: else
	fi;
	slot_clear(n_)
}

#define WONT(s) \
	(slot[s].verb == UNBIND && hung[slot[s].host] && power[slot[s].host] && !isolated[slot[s].host])

/* One place in the switch for a command: carried out soon or late, refused, lost. */
proctype wire(byte s)
{
	do
	:: d_step { slot[s].verb && !WONT(s) ->
		carry_out(s);
		answer(s) }
	/* done, it says, and it has done nothing */
	:: d_step { slot[s].verb && slot[s].by && MAY(faults) -> SPEND(faults); answer(s) }
#ifdef DEFECT_LATE_ANSWER
	/* the answer to an attempt that was given up is taken for that to this one */
	:: d_step { late && item == EFFECT -> late = 0; forget(ITEM); item_answered(item_verb) }
#endif
	/* lost; or nobody hears that it is refused */
	:: d_step { slot[s].verb && slot[s].by == NOBODY -> slot_clear(s) }
	/* refused, or failed with nothing done */
	:: d_step { slot[s].verb && slot[s].by == ITEM && (WONT(s) || MAY(faults)) ->
		if :: WONT(s) :: else -> SPEND(faults) fi;
		FAILED; item = READY; item_verb = FREE; seen = 0; seen_old = 0; slot_clear(s) }
	:: d_step { slot[s].verb && slot[s].by && slot[s].by != ITEM &&
		(WONT(s) || MAY(faults)) ->
		if :: WONT(s) :: else -> SPEND(faults) fi;
		k = slot[s].by; fence_answered(k, slot[s].verb, 0); k = 0; slot_clear(s) }
	od
}

proctype world()
{
	do
	/* somebody asks for a move */
	:: d_step { item == NONE && m.adopted && m.host[m.owner] == OPEN &&
		m.host[(m.owner == 1 -> 2 : 1)] == OPEN && MAY(moves) ->
		SPEND(moves); change_begin(m.owner, (m.owner == 1 -> 2 : 1)) }
	/* kill -9, and a new life from what is on the disk */
	:: d_step { MAY_CRASH -> SPEND(crashes); SEE(CRASHED); restart() }
#ifdef RESTORE
	/* a backup of the first day is restored: nothing was fenced, nothing had moved */
	:: d_step { !restored -> restored = 1;
		d.host[1] = OPEN; d.host[2] = OPEN; d.host[3] = OPEN; d.owner = 1;
		d.change = 0; d.from = 0; d.to = 0; d.lost = 0; d.adopted = 0;
		restart() }
	/* a person adopts what the switch shows */
	:: d_step { !m.adopted && item == NONE && FUNCTION_SETTLED && at ->
		m.owner = at; m.adopted = 1; dirty = 1;
		is_fenced[1] = 0; is_fenced[2] = 0; is_fenced[3] = 0 }
#endif
#ifdef PROGRESS
	/* it hangs, and will be found silent */
	:: d_step { MAY(deaths) && m.host[m.owner] == OPEN && !hung[m.owner] ->
		SPEND(deaths); hung[m.owner] = 1 }
	:: timeout ->
		/* invariant 7 */
		assert(!dirty && item == NONE && !m.change);
		assert(!fence[1].at && !fence[2].at && !fence[3].at);
		assert(m.host[1] != FENCING && m.host[2] != FENCING && m.host[3] != FENCING);
		assert(at == m.owner || m.host[m.owner] == FENCED);
		assert(m.host[m.owner] != FENCED || m.host[(m.owner == SPARE -> 1 : SPARE)] != OPEN);
		break
#endif
	od
}

init
{
	d_step {
		at = 1;
		TRACE_FILL;
		power[1] = 1; power[2] = 1; power[3] = 1;
		m.owner = 1; m.adopted = 1;
		COPY(d, m)
	}
	atomic {
		CHOOSE_ISOLATE;
		run disk(); run change_engine(); run world();
		run fence_of(1); run fence_of(2); run fence_of(3);
		run wire(0); run wire(1);
#if SLOTS == 3
		run wire(2)
#endif
	}
}
