"""PyMySQL, MySQL Connector/Python and SQLAlchemy read the shop. Prints one line for each thing found."""
import sys

import mysql.connector
import pymysql
from sqlalchemy import MetaData, create_engine, inspect, text

port = int(sys.argv[1])
who = dict(host="127.0.0.1", port=port, user="ann", password="any", database="shop")

connection = pymysql.connect(**who)
with connection.cursor() as cursor:
    cursor.execute("SELECT id, amount, note FROM orders WHERE id = %s", (1,))
    print("pymysql", cursor.fetchall())
connection.close()

connection = mysql.connector.connect(**who)
cursor = connection.cursor(prepared=True)
cursor.execute("SELECT id, amount, note FROM orders WHERE id = %s", (1,))
print("connector", cursor.fetchall())
cursor.close()
connection.close()

for driver in ("mysql+pymysql", "mariadb+pymysql", "mysql+mysqlconnector"):
    engine = create_engine(f"{driver}://ann:any@127.0.0.1:{port}/shop")
    found = inspect(engine)
    print(driver, found.get_schema_names(), found.get_table_names(), found.get_view_names())
    keys = found.get_foreign_keys("orders")
    print("columns", [c["name"] for c in found.get_columns("orders")], [c["name"] for c in found.get_columns("v")])
    print("keys", found.get_pk_constraint("orders")["constrained_columns"], [k["referred_table"] for k in keys])
    tables = MetaData()
    tables.reflect(engine)
    print("reflected", sorted(tables.tables))
    with engine.connect() as c:
        print("count", c.execute(text("SELECT COUNT(*) FROM orders WHERE id > :n"), {"n": 0}).scalar())
