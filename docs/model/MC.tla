--------------------------------- MODULE MC ---------------------------------
(* What may go wrong in one run of TLC. *)
EXTENDS Redial
(* One key, and all parts at once.                                            *)
SmallBudget == [wish |-> 1, loss |-> 1, rotate |-> 2, timeout |-> 1, reject |-> 1]
(* Two keys, safety only.                                                     *)
KeysBudget == [wish |-> 1, loss |-> 1, rotate |-> 1, timeout |-> 0, reject |-> 0]
=============================================================================
