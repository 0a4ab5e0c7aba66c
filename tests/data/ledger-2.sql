CREATE TABLE d7nb_meta (
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (name)
);

CREATE TABLE d7nb_destinations (
  id INTEGER NOT NULL,
  origin TEXT NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (origin)
);

CREATE TABLE d7nb_runs (
  id TEXT NOT NULL,
  host TEXT NOT NULL,
  machine TEXT NOT NULL,
  pid INTEGER NOT NULL,
  process TEXT NOT NULL,
  ended BOOLEAN NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE d7nb_aside (
  id INTEGER NOT NULL,
  at BIGINT NOT NULL,
  why TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE d7nb_requests (
  id INTEGER NOT NULL,
  run TEXT NOT NULL,
  destination INTEGER NOT NULL,
  campaign TEXT NOT NULL,
  claimed_at BIGINT NOT NULL,
  lifetime BIGINT NOT NULL,
  outcome TEXT,
  request_id TEXT,
  created_at TEXT,
  status INTEGER,
  code TEXT NOT NULL,
  reason TEXT NOT NULL,
  recorded_at BIGINT,
  PRIMARY KEY (id),
  FOREIGN KEY(run) REFERENCES d7nb_runs (id),
  FOREIGN KEY(destination) REFERENCES d7nb_destinations (id)
);

CREATE INDEX d7nb_requests_of_campaign ON d7nb_requests (destination, campaign);

CREATE INDEX d7nb_requests_by_id ON d7nb_requests (request_id);

CREATE TABLE d7nb_inbound (
  destination INTEGER NOT NULL,
  person BLOB NOT NULL,
  originator BLOB NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (destination, person, originator),
  FOREIGN KEY(destination) REFERENCES d7nb_destinations (id)
)
 WITHOUT ROWID;

CREATE TABLE d7nb_opt_outs (
  destination INTEGER NOT NULL,
  person BLOB NOT NULL,
  recipient TEXT NOT NULL,
  stopped BOOLEAN NOT NULL,
  at BIGINT NOT NULL,
  word TEXT NOT NULL,
  PRIMARY KEY (destination, person),
  FOREIGN KEY(destination) REFERENCES d7nb_destinations (id)
)
 WITHOUT ROWID;

CREATE TABLE d7nb_rows (
  destination INTEGER NOT NULL,
  "key" BLOB NOT NULL,
  request INTEGER NOT NULL,
  sent INTEGER,
  person BLOB,
  recipient TEXT NOT NULL,
  PRIMARY KEY (destination, "key"),
  FOREIGN KEY(destination) REFERENCES d7nb_destinations (id),
  FOREIGN KEY(request) REFERENCES d7nb_requests (id),
  FOREIGN KEY(sent) REFERENCES d7nb_requests (id)
);

CREATE INDEX d7nb_rows_of_request ON d7nb_rows (request);

CREATE TABLE d7nb_statuses (
  request INTEGER NOT NULL,
  "key" BLOB NOT NULL,
  status TEXT NOT NULL,
  at BIGINT NOT NULL,
  msg_id TEXT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (request, "key", status),
  FOREIGN KEY(request) REFERENCES d7nb_requests (id)
)
 WITHOUT ROWID;
