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
