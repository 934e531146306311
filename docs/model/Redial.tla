------------------------------- MODULE Redial -------------------------------
(* A design model of what really interleaves in a link: rotation, the         *)
(* subscriptions over two connections, and credentials. Time, limits and      *)
(* jitter are left out: whatever may happen at some time may happen at any.   *)
(*                                                                            *)
(* A connection carries requests and answers in order. The core (`cur` to     *)
(* `refreshed`) knows only what it was answered; `holds` and `alive` are the  *)
(* server's. Wishes, losses, timeouts and rejections are bounded by `budget`, *)
(* for TLC and because a world that fails for ever converges never.           *)
(*                                                                            *)
(* `Fault` plants one mistake. Each of these is caught, by what stands behind *)
(*   speech_moves_early   speech moves while a request is in flight: Truth    *)
(*   switches_early       the successor takes over before all keys: NoGap     *)
(*   third_connection     a rotation begins beside a leaving one: AtMostTwo   *)
(*   speech_stays         it stays on a successor that failed: Converges      *)
(*   ack_is_for_the_wish  an ack is read by the present wish: Truth           *)
(*   old_ticket_counts    an answer to an older ticket counts: StaleIsHarmless*)
(*   asks_twice           a refresh is asked for beside another: AsksOnce     *)
EXTENDS Naturals, Sequences, FiniteSets

CONSTANTS Keys, MaxConn, Budget, Fault

VARIABLES
  cur, succ, leaving,  \* connections by number, 0 for none
  newest,              \* the newest number handed out
  ready,               \* connections that the core knows to be ready
  spoken,              \* the one that is spoken on, 0 for none
  want,                \* the keys that the application wants
  known,               \* what the core believes a connection to hold
  flight,              \* requests that wait for an answer, at most one a key
  number,              \* the newest request number
  ticket, asked, needs, refreshed,  \* credentials: newest, waited for, needed, at hand
  sources,             \* tickets whose answers are still to come
  alive, holds,        \* the server: its connections, and the keys it delivers on each
  up, down,            \* requests and answers under way
  steady,              \* keys wanted and held on the current connection since it was ready
  budget               \* what may still go wrong

core == <<cur, succ, leaving, newest, ready, spoken, want, known, flight, number,
          ticket, asked, needs, refreshed>>
server == <<alive, holds, up, down>>
creds == <<ticket, asked, needs, refreshed, sources>>
conns == <<cur, succ, leaving, newest, ready, spoken>>
vars == <<core, server, sources, steady, budget>>

Conns == 1..MaxConn
Held == {cur, succ, leaving} \ {0}
Says == {"sub", "unsub"}

Init ==
  /\ cur = 0 /\ succ = 0 /\ leaving = 0 /\ newest = 0 /\ spoken = 0 /\ number = 0
  /\ ready = {} /\ flight = {} /\ want = Keys /\ alive = {} /\ steady = {}
  /\ known = [c \in Conns |-> [k \in Keys |-> "absent"]]
  /\ ticket = 0 /\ asked = FALSE /\ needs = FALSE /\ refreshed = FALSE /\ sources = {}
  /\ holds = [c \in Conns |-> {}]
  /\ up = [c \in Conns |-> <<>>] /\ down = [c \in Conns |-> <<>>]
  /\ budget = Budget

Spend(what) == budget[what] > 0 /\ budget' = [budget EXCEPT ![what] = @ - 1]

(* A connection ends: nothing that was under way on it arrives, and what was  *)
(* asked on it is void.                                                       *)
Gone(c) ==
  /\ alive' = alive \ {c}
  /\ holds' = [holds EXCEPT ![c] = {}]
  /\ up' = [up EXCEPT ![c] = <<>>] /\ down' = [down EXCEPT ![c] = <<>>]
  /\ flight' = {r \in flight : r.conn # c}

-----------------------------------------------------------------------------
(* Attempts and credentials. *)

Dial ==
  /\ cur = 0 /\ newest < MaxConn /\ (needs => refreshed) /\ ~asked
  /\ newest' = newest + 1 /\ cur' = newest + 1 /\ alive' = alive \cup {newest + 1}
  /\ refreshed' = FALSE
  /\ UNCHANGED <<succ, leaving, ready, spoken, want, known, flight, number, ticket, asked,
                 needs, sources, holds, up, down, steady, budget>>

Ask ==
  /\ cur = 0 /\ needs /\ ~refreshed /\ (~asked \/ Fault = "asks_twice")
  /\ (asked => ticket < 2)
  /\ ticket' = ticket + 1 /\ asked' = TRUE /\ sources' = sources \cup {ticket + 1}
  /\ UNCHANGED <<conns, want, known, flight, number, needs, refreshed, server, steady, budget>>

(* No answer in time: the attempt has failed, and the next one asks again.    *)
AskTimeout ==
  /\ asked /\ Spend("timeout") /\ asked' = FALSE
  /\ UNCHANGED <<conns, want, known, flight, number, ticket, needs, refreshed, sources,
                 server, steady>>

Counts(t) == asked /\ (t = ticket \/ Fault = "old_ticket_counts")

Fetched(t) ==
  /\ t \in sources /\ sources' = sources \ {t}
  /\ IF Counts(t)
       THEN asked' = FALSE /\ needs' = FALSE /\ refreshed' = TRUE
       ELSE UNCHANGED <<asked, needs, refreshed>>
  /\ UNCHANGED <<conns, want, known, flight, number, ticket, server, steady, budget>>

Reject ==
  /\ cur # 0 /\ cur \notin ready /\ Spend("reject")
  /\ Gone(cur) /\ cur' = 0 /\ needs' = TRUE
  /\ UNCHANGED <<succ, leaving, newest, ready, spoken, want, known, number, ticket, asked,
                 refreshed, sources, steady>>

BecomeReady(c) ==
  /\ c \in {cur, succ} \ {0} /\ c \notin ready /\ ready' = ready \cup {c}
  /\ spoken' = IF c = cur THEN c ELSE spoken
  /\ UNCHANGED <<cur, succ, leaving, newest, want, known, flight, number, creds, server,
                 steady, budget>>

-----------------------------------------------------------------------------
(* Rotation. *)

Rotate ==
  /\ cur \in ready /\ succ = 0 /\ (leaving = 0 \/ Fault = "third_connection")
  /\ newest < MaxConn /\ Spend("rotate")
  /\ newest' = newest + 1 /\ succ' = newest + 1 /\ alive' = alive \cup {newest + 1}
  /\ UNCHANGED <<cur, leaving, ready, spoken, want, known, flight, number, creds, holds, up,
                 down, steady>>

(* What is in flight is answered or given up first: its answer, read after    *)
(* the move, would speak of a connection that is not spoken on.               *)
MoveSpeech ==
  /\ succ \in ready /\ spoken = cur
  /\ (flight = {} \/ Fault = "speech_moves_early")
  /\ spoken' = succ /\ flight' = {}
  /\ UNCHANGED <<cur, succ, leaving, newest, ready, want, known, number, creds, server, steady,
                 budget>>

Switch ==
  /\ succ # 0 /\ spoken = succ
  /\ (\A k \in want : known[succ][k] = "held" /\ \A r \in flight : r.key # k)
       \/ Fault = "switches_early"
  /\ leaving' = cur /\ cur' = succ /\ succ' = 0
  /\ UNCHANGED <<newest, ready, spoken, want, known, flight, number, creds, server, steady,
                 budget>>

OldOneGone ==
  /\ leaving # 0 /\ Gone(leaving) /\ leaving' = 0
  /\ UNCHANGED <<cur, succ, newest, ready, spoken, want, known, number, creds, steady, budget>>

SuccessorFails ==
  /\ succ # 0 /\ Spend("loss") /\ Gone(succ) /\ succ' = 0
  /\ spoken' = IF Fault = "speech_stays" THEN spoken ELSE cur
  /\ UNCHANGED <<cur, leaving, newest, ready, want, known, number, creds, steady>>

(* The successor is the link's attempt then; what lay between is lost.        *)
CurrentLost ==
  /\ cur # 0 /\ Spend("loss") /\ Gone(cur)
  /\ cur' = succ /\ succ' = 0 /\ steady' = {}
  /\ spoken' = IF succ \in ready THEN succ ELSE 0
  /\ UNCHANGED <<leaving, newest, ready, want, known, number, creds>>

-----------------------------------------------------------------------------
(* Subscriptions: what to say is a function of the wish and of what is known. *)

Wish(k) ==
  /\ Spend("wish")
  /\ want' = IF k \in want THEN want \ {k} ELSE want \cup {k}
  /\ steady' = steady \ {k}
  /\ UNCHANGED <<conns, known, flight, number, creds, server>>

ToSay(k) ==
  IF k \in want THEN (IF known[spoken][k] # "held" THEN "sub" ELSE "none")
  ELSE (IF known[spoken][k] # "absent" THEN "unsub" ELSE "none")

Say(k) ==
  /\ spoken # 0 /\ spoken \in alive /\ \A r \in flight : r.key # k
  /\ ToSay(k) # "none"
  /\ LET request == [conn |-> spoken, key |-> k, say |-> ToSay(k), number |-> number + 1]
     IN flight' = flight \cup {request} /\ up' = [up EXCEPT ![spoken] = Append(@, request)]
  /\ number' = number + 1
  /\ UNCHANGED <<conns, want, known, creds, alive, holds, down, steady, budget>>

Serve(c) ==
  /\ up[c] # <<>>
  /\ LET request == Head(up[c])
     IN /\ holds' = [holds EXCEPT ![c] =
              IF request.say = "sub" THEN @ \cup {request.key} ELSE @ \ {request.key}]
        /\ down' = [down EXCEPT ![c] = Append(@, request)]
  /\ up' = [up EXCEPT ![c] = Tail(@)]
  /\ UNCHANGED <<core, sources, alive, steady, budget>>

(* The answer speaks for the wish that its request was sent for. One that     *)
(* comes after its request was given up is of an older request: nothing.      *)
Means(request) ==
  IF Fault = "ack_is_for_the_wish"
    THEN (IF request.key \in want THEN "held" ELSE "absent")
    ELSE (IF request.say = "sub" THEN "held" ELSE "absent")

Answer(c) ==
  /\ down[c] # <<>> /\ down' = [down EXCEPT ![c] = Tail(@)]
  /\ LET request == Head(down[c])
         holdsNow == request.key \in want /\ request.say = "sub" /\ c = cur
     IN IF request \in flight
          THEN /\ flight' = flight \ {request}
               /\ known' = [known EXCEPT ![c][request.key] = Means(request)]
               /\ steady' = IF holdsNow THEN steady \cup {request.key} ELSE steady
          ELSE UNCHANGED <<flight, known, steady>>
  /\ UNCHANGED <<conns, want, number, creds, alive, holds, up, budget>>

AckTimeout ==
  /\ Spend("timeout")
  /\ \E request \in flight :
       /\ flight' = flight \ {request}
       /\ known' = [known EXCEPT ![request.conn][request.key] = "maybe"]
  /\ UNCHANGED <<conns, want, number, creds, server, steady>>

-----------------------------------------------------------------------------
Works ==
  \/ Dial \/ Ask \/ MoveSpeech \/ Switch \/ OldOneGone
  \/ \E t \in sources : Fetched(t)
  \/ \E c \in Conns : BecomeReady(c) \/ Serve(c) \/ Answer(c)
  \/ \E k \in Keys : Say(k)

Fails ==
  \/ Rotate \/ SuccessorFails \/ CurrentLost \/ Reject \/ AskTimeout \/ AckTimeout
  \/ \E k \in Keys : Wish(k)

Next == Works \/ Fails

Fairness ==
  /\ WF_vars(Dial) /\ WF_vars(Ask) /\ WF_vars(MoveSpeech) /\ WF_vars(Switch)
  /\ WF_vars(OldOneGone) /\ WF_vars(\E t \in sources : Fetched(t))
  /\ \A c \in Conns : WF_vars(BecomeReady(c)) /\ WF_vars(Serve(c)) /\ WF_vars(Answer(c))
  /\ \A k \in Keys : WF_vars(Say(k))

Spec == Init /\ [][Next]_vars /\ Fairness

-----------------------------------------------------------------------------
(* Safety. *)

AtMostTwo == Cardinality(Held) <= 2 /\ alive = Held

OneInFlight == \A r, s \in flight : r.key = s.key => r = s

(* A key that is wanted and was held has a live connection that delivers it,  *)
(* whatever the rotation does, until the current connection is lost.          *)
NoGap == \A k \in steady : \E c \in {cur, leaving} \ {0} : k \in holds[c]

(* What is confirmed is what the server holds, once nothing is under way.     *)
Truth ==
  \A c \in alive, k \in Keys :
    LET quiet == \A r \in flight : ~(r.conn = c /\ r.key = k)
        still == \A i \in 1..Len(up[c]) : up[c][i].key # k
    IN quiet /\ still =>
         /\ known[c][k] = "held" => k \in holds[c]
         /\ known[c][k] = "absent" => k \notin holds[c]

(* An older ticket's answer changes nothing that the core knows.              *)
StaleIsHarmless ==
  [][\A t \in sources : t < ticket /\ t \notin sources' => UNCHANGED core]_vars

(* A refresh is asked for only while no other one is waited for.              *)
AsksOnce == [][ticket' # ticket => ~asked]_vars

(* Liveness. *)

Converged ==
  /\ cur \in ready /\ succ = 0 /\ leaving = 0 /\ ~asked
  /\ holds[cur] = want

Converges == <>[]Converged
RotationEnds == (succ # 0) ~> (succ = 0)
=============================================================================
