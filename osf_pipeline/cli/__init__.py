"""`osf <verb>`: thin, one file per verb. Heavy libraries are imported inside the verbs: `osf --help` is immediate."""
