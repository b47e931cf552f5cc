"""How a credential is put on a call: one room per manner."""
