-- Optional: roles with fewer privileges than asyncsim_worker. Run as a superuser, in the database
-- of the journal, after `asyncsim jobs migrate`; repeat the GRANTs after each update of asyncsim.
--
-- asyncsim_receiver is for `asyncsim receive`.
-- asyncsim_reader is for `asyncsim jobs list`, `watch`, `status` and `report`.
CREATE ROLE asyncsim_receiver LOGIN;
CREATE ROLE asyncsim_reader LOGIN;

GRANT USAGE ON SCHEMA asyncsim TO asyncsim_receiver, asyncsim_reader;
GRANT SELECT, INSERT, DELETE ON asyncsim.inbox, asyncsim.commands TO asyncsim_receiver;
GRANT SELECT (id, state, ticket_secret) ON asyncsim.jobs TO asyncsim_receiver;
GRANT SELECT ON asyncsim.journal TO asyncsim_receiver;
GRANT SELECT, INSERT, UPDATE, DELETE ON asyncsim.processes TO asyncsim_receiver;
GRANT SELECT ON asyncsim.journal, asyncsim.jobs, asyncsim.rows, asyncsim.runs, asyncsim.chunks,
    asyncsim.processes TO asyncsim_reader;
