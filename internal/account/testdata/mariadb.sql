create database if not exists ac_d; create table if not exists ac_d.t (a int, b int, `c``x` int); 
create or replace table ac_d.`we'ird ``t\\x` (a int);
delimiter //
create or replace procedure ac_d.p() begin end//
create or replace function ac_d.f() returns int return 1//
set sql_mode='ORACLE,STRICT_ALL_TABLES'//
create or replace package ac_d.pk as procedure p1(); end//
create or replace package body ac_d.pk as procedure p1() as begin null; end; end//
set sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'//
delimiter ;
create role if not exists ac_role; create role if not exists `ac_r'o``le`;
create or replace user ac_a identified by 'x';
create or replace user ac_b identified by 'x' require ssl with max_queries_per_hour 5 max_user_connections 3 max_statement_time 1.5 account lock password expire interval 30 day;
create or replace user ac_c@'10.0.0.0/255.0.0.0' identified by 'x' require cipher 'a' and issuer 'b''c' and subject 'd\\e"f' with max_updates_per_hour 6 max_connections_per_hour 7 password expire never;
create or replace user ac_d@localhost identified via unix_socket or mysql_native_password using '*AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' password expire default;
create or replace user ac_e@localhost identified via unix_socket;
create or replace user ac_f@localhost identified by 'x' require x509 password expire;
create or replace user `ac'q``"w\\ TO x`@`%.a_b'c` identified by 'x';
create or replace user ac_g@'::1';
create or replace user ac_h identified via mysql_native_password using '' ;
grant select on *.* to ac_a with grant option max_queries_per_hour 9; 
grant ac_role to ac_a with admin option; grant `ac_r'o``le` to ac_a; set default role ac_role for ac_a;
grant select,insert on *.* to ac_b; 
grant all on ac_d.* to ac_b with grant option; grant all on `ac\_d`.* to ac_b; grant select, update on `ac_%`.* to ac_b;
grant select(a), insert(a,b), update(`c``x`), select on ac_d.t to ac_b with grant option;
grant all on ac_d.`we'ird ``t\\x` to ac_b;
grant execute on procedure ac_d.p to ac_b; grant execute, alter routine on function ac_d.f to ac_b with grant option; grant execute on package ac_d.pk to ac_b; grant execute on package body ac_d.pk to ac_b;
grant proxy on ac_a to ac_b with grant option; grant proxy on `ac'q``"w\\ TO x`@`%.a_b'c` to ac_b; grant proxy on ''@'' to ac_c@'10.0.0.0/255.0.0.0';
grant all on *.* to ac_c@'10.0.0.0/255.0.0.0';
grant usage on ac_d.t to ac_f@localhost with grant option; 
grant usage on ac_d.* to ac_f@localhost with grant option; 
grant usage on *.* to ac_f@localhost with grant option; 
grant usage on procedure ac_d.p to ac_f@localhost with grant option; 
grant references(a) on ac_d.t to ac_g@'::1';
grant select on ac_d.* to `ac'q``"w\\ TO x`@`%.a_b'c`;
create or replace user ac_i identified by 'x' password expire; alter user ac_i password expire interval 5 day;
create or replace user ac_j identified by 'x' require subject '/CN=O''Brien/O=a\\b' with max_user_connections -1;
grant usage on *.* to ac_j with grant option;
create or replace user ac_k identified by 'x' require subject '';
