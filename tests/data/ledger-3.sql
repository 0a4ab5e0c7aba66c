CREATE TABLE d7nb_meta (
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (name)
);

CREATE TABLE d7nb_ledger_destinations (
  id INTEGER NOT NULL,
  origin TEXT NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (origin)
);

CREATE TABLE d7nb_ledger_runs (
  id TEXT NOT NULL,
  host TEXT NOT NULL,
  machine TEXT NOT NULL,
  pid INTEGER NOT NULL,
  process TEXT NOT NULL,
  ended BOOLEAN NOT NULL,
  recipe TEXT,
  PRIMARY KEY (id)
);

CREATE TABLE d7nb_ledger_aside (
  id INTEGER NOT NULL,
  at BIGINT NOT NULL,
  why TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE d7nb_ledger_campaigns (
  id INTEGER NOT NULL,
  destination INTEGER NOT NULL,
  name TEXT NOT NULL,
  recipe TEXT,
  PRIMARY KEY (id),
  UNIQUE (destination, name),
  FOREIGN KEY(destination) REFERENCES d7nb_ledger_destinations (id)
);

CREATE TABLE d7nb_ledger_inbound (
  destination INTEGER NOT NULL,
  person BLOB NOT NULL,
  originator BLOB NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (destination, person, originator),
  FOREIGN KEY(destination) REFERENCES d7nb_ledger_destinations (id)
)
 WITHOUT ROWID;

CREATE TABLE d7nb_ledger_opt_outs (
  destination INTEGER NOT NULL,
  person BLOB NOT NULL,
  recipient TEXT NOT NULL,
  stopped BOOLEAN NOT NULL,
  at BIGINT NOT NULL,
  word TEXT NOT NULL,
  PRIMARY KEY (destination, person),
  FOREIGN KEY(destination) REFERENCES d7nb_ledger_destinations (id)
)
 WITHOUT ROWID;

CREATE TABLE d7nb_ledger_requests (
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  run TEXT NOT NULL,
  campaign INTEGER NOT NULL,
  claimed_at BIGINT NOT NULL,
  lifetime BIGINT NOT NULL,
  outcome TEXT,
  request_id TEXT,
  created_at TEXT,
  status INTEGER,
  code TEXT NOT NULL,
  reason TEXT NOT NULL,
  recorded_at BIGINT,
  FOREIGN KEY(run) REFERENCES d7nb_ledger_runs (id),
  FOREIGN KEY(campaign) REFERENCES d7nb_ledger_campaigns (id)
);

CREATE INDEX d7nb_ledger_requests_of_campaign ON d7nb_ledger_requests (campaign, id);

CREATE INDEX d7nb_ledger_requests_without_outcome ON d7nb_ledger_requests (campaign) WHERE outcome IS NULL;

CREATE INDEX d7nb_ledger_requests_by_id ON d7nb_ledger_requests (request_id);

CREATE INDEX d7nb_ledger_requests_by_time ON d7nb_ledger_requests (claimed_at);

CREATE TABLE d7nb_ledger_rows (
  campaign INTEGER NOT NULL,
  "key" BLOB NOT NULL,
  request INTEGER NOT NULL,
  sent INTEGER,
  person BLOB,
  recipient TEXT NOT NULL,
  PRIMARY KEY (campaign, "key"),
  FOREIGN KEY(campaign) REFERENCES d7nb_ledger_campaigns (id),
  FOREIGN KEY(request) REFERENCES d7nb_ledger_requests (id),
  FOREIGN KEY(sent) REFERENCES d7nb_ledger_requests (id)
)
 WITHOUT ROWID;

CREATE INDEX d7nb_ledger_rows_sent_again ON d7nb_ledger_rows (sent) WHERE sent IS NOT NULL;

CREATE INDEX d7nb_ledger_rows_of_person ON d7nb_ledger_rows (campaign, person);

CREATE INDEX d7nb_ledger_rows_of_request ON d7nb_ledger_rows (request);

CREATE TABLE d7nb_ledger_messages (
  request INTEGER NOT NULL,
  "key" BLOB NOT NULL,
  msg_id TEXT NOT NULL,
  PRIMARY KEY (request, "key"),
  FOREIGN KEY(request) REFERENCES d7nb_ledger_requests (id)
)
 WITHOUT ROWID;

CREATE TABLE d7nb_ledger_statuses (
  request INTEGER NOT NULL,
  "key" BLOB NOT NULL,
  status TEXT NOT NULL,
  at BIGINT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (request, "key", status),
  FOREIGN KEY(request) REFERENCES d7nb_ledger_requests (id)
)
 WITHOUT ROWID;
