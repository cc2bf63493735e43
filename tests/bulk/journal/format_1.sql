-- A journal as the first releases of format 1 wrote it: `rows` had a column `note`.
PRAGMA application_id=1095977293;
BEGIN TRANSACTION;
CREATE TABLE job (
	product TEXT NOT NULL,
	action TEXT NOT NULL,
	change TEXT NOT NULL,
	vendor TEXT NOT NULL,
	account TEXT NOT NULL,
	label TEXT NOT NULL,
	looks INTEGER DEFAULT '0' NOT NULL,
	read_completely_at TEXT,
	header TEXT,
	applied TEXT,
	digest TEXT,
	notes TEXT,
	source TEXT,
	PRIMARY KEY (product)
);
INSERT INTO "job" VALUES('supersim','update','{"status":"active"}','twilio','3f9a','batch.csv',1,'2026-11-28T22:55:06.326950Z',NULL,'[]','d1','[]',NULL);
CREATE TABLE journal (
	format INTEGER NOT NULL,
	created_at TEXT NOT NULL,
	ticket_secret TEXT NOT NULL,
	needs_wal BOOLEAN DEFAULT 0 NOT NULL,
	opened_by_process INTEGER,
	opened_on_host TEXT,
	PRIMARY KEY (format)
);
INSERT INTO "journal" VALUES(1,'2026-11-28T22:55:06.271695Z','hush-hush',0,NULL,NULL);
CREATE TABLE rows (
	number INTEGER NOT NULL,
	line INTEGER NOT NULL,
	name TEXT NOT NULL,
	naming TEXT NOT NULL,
	iccid TEXT,
	state TEXT NOT NULL,
	look INTEGER DEFAULT '0' NOT NULL,
	verdict TEXT,
	sid TEXT,
	"before" TEXT,
	note TEXT,
	status TEXT,
	error_type TEXT,
	error TEXT,
	error_parts TEXT,
	settled_by TEXT,
	confirmed BOOLEAN DEFAULT 0 NOT NULL,
	approved BOOLEAN DEFAULT 0 NOT NULL,
	sent BOOLEAN DEFAULT 0 NOT NULL,
	retry BOOLEAN DEFAULT 0 NOT NULL,
	requests INTEGER DEFAULT '0' NOT NULL,
	seconds FLOAT,
	accepted_at TEXT,
	ended_at TEXT,
	reference TEXT,
	change TEXT,
	cells TEXT,
	PRIMARY KEY (number),
	CONSTRAINT known_state CHECK (state IN ('read', 'ready', 'sending', 'accepted', 'timed out', 'no answer', 'already', 'done', 'failed', 'impossible', 'unknown'))
);
INSERT INTO "rows" VALUES(1,2,'891','iccid',NULL,'accepted',1,'will change',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,'2026-11-28T22:55:06.359716Z',NULL,NULL,'{"fleet":"f","unique_name":null}','["891","f"]');
INSERT INTO "rows" VALUES(2,3,'892','iccid',NULL,'impossible',1,'unreadable','HS2',NULL,'its status is a list',NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,'2026-11-28T22:55:06.333209Z',NULL,NULL,NULL);
INSERT INTO "rows" VALUES(3,4,'893','iccid',NULL,'failed',1,'will change',NULL,NULL,NULL,NULL,'ValueError','x','{"type": "ValueError", "text": "x", "parts": null}',NULL,0,0,0,0,1,1.5,NULL,'2026-11-28T22:55:06.359758Z',NULL,NULL,NULL);
INSERT INTO "rows" VALUES(4,5,'894','iccid',NULL,'read',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE runs (
	number INTEGER NOT NULL,
	started_at TEXT NOT NULL,
	ended_at TEXT,
	reason TEXT,
	pid INTEGER NOT NULL,
	host TEXT NOT NULL,
	PRIMARY KEY (number)
);
INSERT INTO "runs" VALUES(1,'2026-11-28T22:55:06.328382Z',NULL,NULL,12808,'host');
CREATE INDEX rows_by_name ON rows (name);
CREATE INDEX rows_by_sid ON rows (sid);
CREATE VIEW progress AS
SELECT state, verdict, error_type, count(*) AS number_of_rows
FROM rows GROUP BY state, verdict, error_type;
COMMIT;
